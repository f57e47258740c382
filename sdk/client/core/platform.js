import { pack, unpack } from './pack.js';

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
 * @typedef {object} Encryption access to encoded frames
 * @property {Worker} worker runs e2ee-worker.js
 * @property {RTCConfiguration} config what peer connections have to be made with
 * @property {(way: RTCRtpSender | RTCRtpReceiver, options: import('./e2ee-worker.js').Way) => void} attach
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
 * @property {(event: 'network' | 'pagehide', listener: () => void) => () => void} onPage `network`: it came back, or is another one.
 *   Returns how to stop listening
 *
 * @property {boolean} [inactiveSoundFlows] true where a sender of sound goes on although its encoding is not active (Firefox 153
 *   says yes to `active: false` and does nothing); default false
 *
 * What follows may be lacking; what needs it then rejects with `not-supported`.
 * @property {() => number} [date] milliseconds since 1970
 * @property {(kind: 'camera' | 'microphone') => Promise<boolean>} [permission] whether it was given already, without asking
 * @property {(track: MediaStreamTrack, size: {width?: number, height?: number}) => Promise<string>} [captureFrame] the picture
 *   it shows now, as base64 of a JPEG; with one of the two sizes (pixels) the other follows
 * @property {(kind: 'video' | 'audio') => HTMLMediaElement} [createElement] one that plays by itself
 * @property {(element: HTMLMediaElement, seen: (size: {width: number, height: number} | null) => void) => () => void} [watchSize] tells
 *   of its size on the screen in pixels, null while out of sight, nothing before it was first put on the page; returns how to stop
 * @property {{pack: (text: string) => Promise<string | null>, unpack: (packed: string) => Promise<string>}} [packing] long texts made short
 * @property {() => Encryption | null} [encryption] null where encoded frames cannot be had
 */

/**
 * The browser's own. Read when called, so that importing the SDK touches no global.
 * @returns {Platform}
 */
export function browserPlatform() {
  return {
    packing: { pack, unpack },
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
    inactiveSoundFlows: /\bFirefox\//.test(globalThis.navigator?.userAgent ?? ''),
    date: () => Date.now(),
    permission,
    captureFrame,
    createElement,
    watchSize,
    encryption,
    onPage(event, listener) {
      if (typeof globalThis.addEventListener !== 'function') return () => {};
      /** @param {Event} e a page put aside whole comes back with its sockets: not a farewell */
      const heard = (e) => {
        if (!(/** @type {PageTransitionEvent} */ (e).persisted)) listener();
      };
      if (event === 'network') {
        const connection = /** @type {EventTarget | undefined} */ (/** @type {any} */ (globalThis.navigator)?.connection);
        globalThis.addEventListener('online', heard);
        connection?.addEventListener?.('change', heard);
        return () => {
          globalThis.removeEventListener('online', heard);
          connection?.removeEventListener?.('change', heard);
        };
      }
      globalThis.addEventListener(event, heard);
      return () => globalThis.removeEventListener(event, heard);
    },
  };
}

/** @type {NonNullable<Platform['permission']>} */
async function permission(kind) {
  const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ (kind) });
  return status.state === 'granted';
}

/** @type {NonNullable<Platform['createElement']>} */
function createElement(kind) {
  const element = document.createElement(kind);
  element.autoplay = true;
  if (element instanceof HTMLVideoElement) {
    element.playsInline = true;
    element.muted = true; // the sound has an element of its own
  }
  return element;
}

/** @type {NonNullable<Platform['captureFrame']>} */
async function captureFrame(track, { width, height }) {
  const video = /** @type {HTMLVideoElement} */ (createElement('video'));
  video.srcObject = new MediaStream([track]);
  await video.play();
  const ratio = video.videoWidth / video.videoHeight;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width ?? (height ? height * ratio : video.videoWidth));
  canvas.height = Math.round(height ?? canvas.width / ratio);
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
  video.srcObject = null;
  return canvas.toDataURL('image/jpeg', 0.9).split(',')[1] ?? '';
}

/** What is nearer to the visible part than this share of it counts as in sight, so that scrolling finds pictures there. */
const NEAR = '25%';
/** More pixels of the screen to one of the page are not worth the bits. */
const DENSITY_MAX = 2;

/** @type {NonNullable<Platform['watchSize']>} */
function watchSize(element, seen) {
  let inSight = true;
  let placed = false;
  /** A window of its own, which is seen whatever becomes of the page. @type {{width: number, height: number} | null} */
  let apart = null;
  const tell = () => {
    placed ||= element.isConnected;
    if (!placed) return; // perhaps it never will be, and is only drawn from
    const { clientWidth, clientHeight } = apart ? { clientWidth: apart.width, clientHeight: apart.height } : element;
    const dense = Math.min(globalThis.devicePixelRatio || 1, DENSITY_MAX);
    const onPage = document.visibilityState !== 'hidden' && inSight && element.isConnected;
    const shown = (apart !== null || onPage) && clientWidth > 0 && clientHeight > 0;
    seen(shown ? { width: Math.round(clientWidth * dense), height: Math.round(clientHeight * dense) } : null);
  };
  const size = new ResizeObserver(tell);
  const near = /** @type {IntersectionObserverInit} */ ({ rootMargin: NEAR, scrollMargin: NEAR }); // the latter of what scrolls inside the page
  const sight = new IntersectionObserver((entries) => {
    inSight = entries.at(-1)?.isIntersecting ?? true;
    tell();
  }, near);
  const enter = (/** @type {any} */ event) => {
    apart = event.pictureInPictureWindow ?? { width: element.clientWidth, height: element.clientHeight };
    event.pictureInPictureWindow?.addEventListener?.('resize', tell);
    tell();
  };
  const leave = () => {
    apart = null;
    tell();
  };
  size.observe(element);
  sight.observe(element);
  document.addEventListener('visibilitychange', tell);
  element.addEventListener('enterpictureinpicture', enter);
  element.addEventListener('leavepictureinpicture', leave);
  return () => {
    size.disconnect();
    sight.disconnect();
    document.removeEventListener('visibilitychange', tell);
    element.removeEventListener('enterpictureinpicture', enter);
    element.removeEventListener('leavepictureinpicture', leave);
  };
}

/** Script transforms where the browser has them; older Chromium has encoded streams. @type {NonNullable<Platform['encryption']>} */
function encryption() {
  const script = typeof globalThis.RTCRtpScriptTransform === 'function';
  const older = !script && 'createEncodedStreams' in (globalThis.RTCRtpSender?.prototype ?? {});
  if (!script && !older) return null;
  const worker = startWorker(new URL('./e2ee-worker.js', import.meta.url));
  return {
    worker,
    config: older ? /** @type {RTCConfiguration} */ ({ encodedInsertableStreams: true }) : {},
    attach(way, options) {
      if (script) {
        way.transform = new RTCRtpScriptTransform(worker, options);
        return;
      }
      const { readable, writable } = /** @type {any} */ (way).createEncodedStreams();
      worker.postMessage({ type: 'streams', way: options, readable, writable }, [readable, writable]);
    },
  };
}

/** A worker must be of the page's own origin; what it imports need not be. @param {URL} url */
function startWorker(url) {
  if (url.origin === globalThis.location?.origin) return new Worker(url, { type: 'module' });
  const text = `import ${JSON.stringify(url.href)};`;
  return new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), { type: 'module' });
}
