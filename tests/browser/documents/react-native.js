/** What the blocks use of `react-native`, in a browser: an alert is noted instead of shown. */
export const Alert = { alert: (title) => window.alert(title) };
