import { EnfiladeError } from '@enfilade/client';

/** @typedef {ReturnType<typeof import('@enfilade/client').browserPlatform>} Platform */
/** @typedef {import('./register.js').Surroundings} Surroundings */
/** @typedef {import('./register.js').WebRTC} WebRTC */

/**
 * React Native as the SDK's platform: WebRTC is what was registered, the rest what React Native itself has (WebSocket,
 * timers, performance).
 * @param {WebRTC} webrtc
 * @param {Surroundings} surroundings
 * @param {{defaultCamera?: 'front' | 'back'}} [options] the camera to open where no other is asked for; default front
 * @returns {Platform}
 */
export function reactNativePlatform(webrtc, surroundings, { defaultCamera = 'front' } = {}) {
  if (defaultCamera !== 'front' && defaultCamera !== 'back') {
    throw new EnfiladeError('invalid-argument', 'defaultCamera: "front" or "back".');
  }
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
    mediaDevices: mediaDevices(webrtc.mediaDevices, defaultCamera === 'back' ? 'environment' : 'user'),
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
      if (event !== 'online' || !surroundings.AppState) return () => {};
      const subscription = surroundings.AppState.addEventListener('change', (state) => {
        if (state === 'active') listener();
      });
      return () => subscription.remove();
    },
  };
}

/**
 * @param {any} devices
 * @param {'user' | 'environment'} facingMode where nothing else is asked for
 * @returns {MediaDevices}
 */
function mediaDevices(devices, facingMode) {
  const facing = (/** @type {any} */ video) =>
    !video || video.deviceId || video.facingMode ? video : { ...(video === true ? {} : video), facingMode };
  return /** @type {any} */ ({
    getUserMedia: (/** @type {any} */ constraints) => devices.getUserMedia({ ...constraints, video: facing(constraints.video) }),
    getDisplayMedia: (/** @type {any} */ constraints) => devices.getDisplayMedia(constraints),
    enumerateDevices: () => devices.enumerateDevices(),
    addEventListener: (/** @type {any[]} */ ...args) => devices.addEventListener?.(...args),
    removeEventListener: (/** @type {any[]} */ ...args) => devices.removeEventListener?.(...args),
  });
}
