/**
 * Everything the SDK needs from its surroundings, in one place, so that it runs in a browser, in React Native and, with a
 * scripted platform, in tests without either.
 *
 * @typedef {object} SocketLike what we use of a WebSocket
 * @property {(data: string) => void} send
 * @property {(code?: number, reason?: string) => void} close
 * @property {number} readyState 0 connecting, 1 open, 2 closing, 3 closed
 * @property {((event: any) => void) | null} onopen
 * @property {((event: {data: any}) => void) | null} onmessage
 * @property {((event: {code?: number, reason?: string}) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 *
 * @typedef {object} Platform
 * @property {(url: string) => SocketLike} createSocket
 * @property {(config: RTCConfiguration) => RTCPeerConnection} createPeerConnection
 * @property {(tracks: MediaStreamTrack[]) => MediaStream} createStream
 * @property {(kind: 'audio' | 'video') => RTCRtpCapabilities | null} receiveCapabilities what this device can decode
 * @property {MediaDevices | undefined} mediaDevices undefined where the page is not secure
 * @property {() => string} defaultUrl the server this page came from
 * @property {(run: () => void, ms: number) => unknown} setTimeout
 * @property {(handle: any) => void} clearTimeout
 * @property {() => number} now milliseconds of a clock that never goes back
 * @property {() => number} random in [0, 1)
 * @property {(event: 'online' | 'pagehide', listener: () => void) => () => void} onPage returns how to stop listening
 */

/**
 * The browser's own. Read when called, so that importing the SDK touches no global.
 * @returns {Platform}
 */
export function browserPlatform() {
  return {
    createSocket: (url) => /** @type {SocketLike} */ (/** @type {unknown} */ (new WebSocket(url))),
    createPeerConnection: (config) => new RTCPeerConnection(config),
    createStream: (tracks) => new MediaStream(tracks),
    receiveCapabilities: (kind) => globalThis.RTCRtpReceiver?.getCapabilities?.(kind) ?? null,
    mediaDevices: globalThis.navigator?.mediaDevices,
    defaultUrl: () => globalThis.location?.origin ?? '',
    setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
    clearTimeout: (handle) => globalThis.clearTimeout(handle),
    now: () => globalThis.performance.now(),
    random: () => Math.random(),
    onPage(event, listener) {
      if (typeof globalThis.addEventListener !== 'function') return () => {};
      /** @param {Event} e a page put aside whole comes back with its sockets: not a farewell */
      const heard = (e) => {
        if (!(/** @type {PageTransitionEvent} */ (e).persisted)) listener();
      };
      globalThis.addEventListener(event, heard);
      return () => globalThis.removeEventListener(event, heard);
    },
  };
}
