import { captureError, EnfiladeError } from './errors.js';

/** @typedef {import('./platform.js').Platform} Platform */

/**
 * @typedef {object} CameraOptions
 * @property {string} [deviceId]
 * @property {number} [width] pixels; default 1280
 * @property {number} [height] pixels; default 720
 * @property {number} [frameRate] per second; default 30
 * @property {'user' | 'environment'} [facingMode]
 *
 * @typedef {object} MicrophoneOptions
 * @property {string} [deviceId]
 * @property {boolean} [echoCancellation] default true
 * @property {boolean} [noiseSuppression] default true
 * @property {boolean} [autoGainControl] default true
 * @property {number} [sampleRate] Hz; default: the device's
 * @property {number} [channelCount] default: the device's
 *
 * @typedef {object} ScreenOptions
 * @property {boolean} [audio] with the sound of what is shared, where the browser can; default true
 * @property {number} [frameRate] per second; default 15
 * @property {number} [height] pixels at most; default: as it is
 */

/** Opens cameras, microphones and screens; every failure is an EnfiladeError with a code and a sentence. */
export class Capture {
  #platform;

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /**
   * @param {CameraOptions} [options]
   * @returns {Promise<MediaStreamTrack>}
   */
  async camera(options) {
    return this.#openOne({ video: cameraConstraints(options) }, 'Camera');
  }

  /**
   * @param {MicrophoneOptions} [options]
   * @returns {Promise<MediaStreamTrack>}
   */
  async microphone(options) {
    return this.#openOne({ audio: microphoneConstraints(options) }, 'Microphone');
  }

  /**
   * Both at once, so that the browser asks the person only once. Fails when either does.
   * @param {CameraOptions} [camera]
   * @param {MicrophoneOptions} [microphone]
   * @returns {Promise<[MediaStreamTrack, MediaStreamTrack]>} camera, microphone
   */
  async cameraAndMicrophone(camera, microphone) {
    const stream = await this.#open({ video: cameraConstraints(camera), audio: microphoneConstraints(microphone) }, 'Camera and microphone');
    return /** @type {[MediaStreamTrack, MediaStreamTrack]} */ ([stream.getVideoTracks()[0], stream.getAudioTracks()[0]]);
  }

  /**
   * Must be called from a click or key handler.
   * @param {ScreenOptions} [options]
   * @returns {Promise<{video: MediaStreamTrack, audio: MediaStreamTrack | null}>}
   */
  async screen({ audio = true, frameRate = 15, height } = {}) {
    const devices = this.#devices();
    if (typeof devices.getDisplayMedia !== 'function') {
      throw new EnfiladeError('not-supported', 'This browser cannot share a screen.');
    }
    try {
      const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      const video = { frameRate: { ideal: frameRate }, ...(height ? { height: { max: height } } : {}) };
      const stream = await devices.getDisplayMedia({ video, audio: audio ? sound : false });
      const picture = /** @type {MediaStreamTrack} */ (stream.getVideoTracks()[0]);
      if ('contentHint' in picture && picture.contentHint === '') picture.contentHint = 'detail';
      return { video: picture, audio: stream.getAudioTracks()[0] ?? null };
    } catch (thrown) {
      throw captureError(thrown, 'Screen');
    }
  }

  /**
   * Labels are empty until permission was given once.
   * @param {'videoinput' | 'audioinput' | 'audiooutput'} [kind] absent: all
   * @returns {Promise<MediaDeviceInfo[]>}
   */
  async devices(kind) {
    const all = await this.#devices().enumerateDevices();
    return kind ? all.filter((device) => device.kind === kind) : all;
  }

  /** @param {() => void} listener @returns {() => void} stops listening */
  onDevicesChanged(listener) {
    const devices = this.#platform.mediaDevices;
    devices?.addEventListener?.('devicechange', listener);
    return () => devices?.removeEventListener?.('devicechange', listener);
  }

  #devices() {
    const devices = this.#platform.mediaDevices;
    if (!devices) throw new EnfiladeError('insecure-context', 'Camera and microphone need a page from https or localhost.');
    return devices;
  }

  /**
   * @param {MediaStreamConstraints} constraints
   * @param {string} what
   */
  async #openOne(constraints, what) {
    return /** @type {MediaStreamTrack} */ ((await this.#open(constraints, what)).getTracks()[0]);
  }

  /**
   * @param {MediaStreamConstraints} constraints
   * @param {string} what
   */
  async #open(constraints, what) {
    const devices = this.#devices();
    try {
      return await devices.getUserMedia(constraints);
    } catch (thrown) {
      throw captureError(thrown, what);
    }
  }
}

/** @param {CameraOptions} [options] */
function cameraConstraints({ deviceId, width = 1280, height = 720, frameRate = 30, facingMode } = {}) {
  return {
    width: { ideal: width },
    height: { ideal: height },
    frameRate: { ideal: frameRate },
    ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
    ...(facingMode ? { facingMode } : {}),
  };
}

/** @param {MicrophoneOptions} [options] */
function microphoneConstraints({ deviceId, echoCancellation = true, noiseSuppression = true, autoGainControl = true, sampleRate, channelCount } = {}) {
  const sound = { ...(sampleRate ? { sampleRate: { ideal: sampleRate } } : {}), ...(channelCount ? { channelCount: { ideal: channelCount } } : {}) };
  return { echoCancellation, noiseSuppression, autoGainControl, ...sound, ...(deviceId ? { deviceId: { exact: deviceId } } : {}) };
}
