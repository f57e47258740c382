import { EnfiladeError } from '@enfilade/client';

/** @typedef {ReturnType<typeof import('@enfilade/client').browserPlatform>} Platform */
/** @typedef {import('./register.js').Registration} Registration */

/**
 * React Native as the SDK's platform: WebRTC is what was registered, the rest what React Native itself has (WebSocket,
 * timers, performance).
 * @param {Registration} registration
 * @returns {Platform}
 */
export function reactNativePlatform({ webrtc, surroundings }) {
  const { permissions } = webrtc;
  return {
    createSocket: (url) => /** @type {any} */ (new WebSocket(url)),
    createPeerConnection: (config) => new webrtc.RTCPeerConnection(config),
    createStream: (tracks) => new webrtc.MediaStream(tracks),
    receiveCapabilities(kind) {
      try {
        return webrtc.RTCRtpReceiver?.getCapabilities?.(kind) ?? null;
      } catch {
        return null; // it throws where the phone did not say
      }
    },
    mediaDevices: webrtc.mediaDevices,
    defaultUrl() {
      if (surroundings.signalingBaseUrl) return surroundings.signalingBaseUrl;
      throw new EnfiladeError('invalid-argument', 'Give the server: `signalingBaseUrl` of the meeting, or of register.');
    },
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (handle) => clearTimeout(handle),
    now: () => performance.now(),
    random: () => Math.random(),
    date: () => Date.now(),
    ...(permissions ? { permission: async (kind) => (await permissions.query({ name: kind })) === 'granted' } : {}),
    onPage(event, listener) {
      // An app has no page that is hidden for good; coming to the front is when its network is there again.
      if (event !== 'network' || !surroundings.AppState) return () => {};
      const subscription = surroundings.AppState.addEventListener('change', (state) => {
        if (state === 'active') listener();
      });
      return () => subscription.remove();
    },
  };
}
