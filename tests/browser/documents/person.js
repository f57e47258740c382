/** Runs in the browser: somebody in a meeting, and what can be seen of it from outside. */

/** Of a Meeting; all are noted. */
export const EVENTS = [
  'meeting-joined', 'meeting-left', 'meeting-state-changed', 'participant-joined', 'participant-left',
  'connection-open', 'connection-close', 'switch-meeting', 'error',
];

export const person = {
  /** What happened: `[event, ...arguments]`. @type {any[][]} */
  events: [],
  /** What the block gave to console.log. @type {any[][]} */
  printed: [],
  /** What the block showed. @type {string[]} */
  alerts: [],
  /** What listeners heard that the block itself registered: `[event, ...arguments]`. @type {any[][]} */
  heard: [],
  /** Presses what the block calls onClick or onPress. */
  press: () => {},

  /** What of it can be told to the test. @param {'events' | 'printed' | 'alerts' | 'heard'} what */
  tell: (what) => person[what].map((entry) => (Array.isArray(entry) ? entry.map(describe) : entry)),

  /**
   * Notes what the listeners hear that are registered from now on.
   * @param {{on: (event: string, listener: (...args: any[]) => void) => any}} emitter
   */
  overhear(emitter) {
    const on = emitter.on.bind(emitter);
    emitter.on = (event, listener) =>
      on(event, (...args) => {
        person.heard.push([event, ...args]);
        listener(...args);
      });
    return emitter;
  },
};

/** As plain data. @param {any} value @returns {any} */
function describe(value) {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Map) return { map: Object.fromEntries([...value].map(([key, entry]) => [key, describe(entry)])) };
  if (value.meeting?.participants) return { connection: value.id, payload: value.payload, participants: [...value.meeting.participants.keys()] };
  if ('displayName' in value) return { id: value.id, displayName: value.displayName, sees: ['streams', 'webcamOn', 'micOn', 'screenShareOn'].filter((name) => name in value) };
  if (value instanceof Error) return { code: /** @type {any} */ (value).code, message: value.message };
  return JSON.parse(JSON.stringify(value));
}

const log = console.log.bind(console);
console.log = (...args) => {
  person.printed.push(args);
  log(...args);
};
window.alert = (text) => void person.alerts.push(String(text));
Object.assign(window, { person });
