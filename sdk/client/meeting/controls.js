import { EnfiladeError, requireArgument } from '../core/errors.js';
import { deviceOf } from './devices.js';
import { HostedServices } from './hosted.js';
import { recordingStatus } from './recording.js';
import { wishesOf } from './tracks.js';

/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {import('./constants.js').Quality} Quality */
/** @typedef {import('./errors.js').Action} Action */
/** @typedef {import('./meeting-types.js').MeetingEvents} MeetingEvents */
/** @typedef {import('./meeting-types.js').MeetingOptions} MeetingOptions */

const RESOLUTION = { sd: { width: 640, height: 360 }, hd: { width: 1280, height: 720 } };
/** Of our own camera, in pixels. */
const UPLOAD = { low: { width: 320, height: 180 }, med: { width: 640, height: 360 }, high: { width: 1280, height: 720 } };

/**
 * Our own microphone, camera and screen. Every method rejects with a MeetingError; what a device refuses is told by `error` too.
 * @extends {HostedServices<MeetingEvents>}
 */
export class MeetingControls extends HostedServices {
  /** @type {Room} */
  #room;
  #options;

  /**
   * @param {MeetingOptions} options
   * @param {Room} room
   */
  constructor(options, room) {
    super();
    this.#options = options;
    this.#room = room;
  }

  /** The core below: what the Meeting API has no word for (settings, owner, links, publications). Another one after `switchTo`. */
  get room() {
    return this.#room;
  }

  /** The camera in use; null while off. */
  get selectedCameraDevice() {
    return deviceOf(this.#track('camera'), 'videoinput');
  }
  /** The microphone in use; null while there is none. */
  get selectedMicrophoneDevice() {
    return deviceOf(this.#track('microphone'), 'audioinput');
  }

  /** As `recording-state-changed` told it last; null: the meeting is not recorded. */
  get recordingState() {
    const { recording } = this.#room;
    return recording ? recordingStatus(recording.state) : null;
  }

  /**
   * Has the server record every microphone, camera and screen of the meeting. Needs `allow_mod`. What hosted services take
   * (webhookUrl, awsDirPath, config, transcription) has no meaning here: the operator says where recordings go.
   * @param {...unknown} _
   * @returns {Promise<void>} rejects (4011) with `recording-off`, `recording-runs`, `forbidden` (4025)
   */
  startRecording(..._) {
    return this.guard('startRecording', async () => void (await this.#room.startRecording()));
  }
  /** Needs `allow_mod`. @returns {Promise<void>} rejects (4012) with `no-such-recording`, `forbidden` (4025) */
  stopRecording() {
    return this.guard('stopRecording', () => this.#room.stopRecording());
  }

  /** Others hear nothing of us; the device stays open, so that unmuting is at once. @returns {Promise<void>} */
  muteMic() {
    return this.#joined('microphone', () => this.#room.devices.setMicrophone(false));
  }

  /**
   * @param {MediaStream} [customTrack] use this instead of opening the microphone
   * @returns {Promise<void>} rejects with `permission-denied`, `device-not-found`, `device-in-use`, `custom-track-invalid`, `custom-track-ended`, `forbidden`
   */
  unmuteMic(customTrack) {
    return this.#joined('microphone', () => this.openMicrophone(customTrack));
  }

  /**
   * @param {MediaStream} [customTrack] use this instead of opening the camera
   * @returns {Promise<void>} rejects as `unmuteMic`
   */
  enableWebcam(customTrack) {
    return this.#joined('camera', () => this.openCamera(customTrack));
  }

  /** The device stops, its light goes out. @returns {Promise<void>} */
  disableWebcam() {
    return this.#joined('camera', () => this.#room.devices.setCamera(false));
  }

  /**
   * Sends another picture in place of our camera, without a gap.
   * @param {MediaStream} customTrack
   * @returns {Promise<void>}
   */
  replaceWebcamStream(customTrack) {
    return this.#joined('camera', () => {
      requireArgument(!!customTrack, 'replaceWebcamStream: a MediaStream is missing.');
      return this.openCamera(customTrack);
    });
  }

  /**
   * Must be called from a click or key handler.
   * @param {MediaStream} [customTrack] use this instead of asking
   * @returns {Promise<void>} rejects with `permission-denied` when the person chose nothing
   */
  enableScreenShare(customTrack) {
    return this.#joined('screen', () => {
      const track = pick(customTrack, 'video');
      return this.#room.devices.setScreen(true, { track, audioTrack: customTrack?.getAudioTracks()[0], publish: wishesOf(track) });
    });
  }

  /** @returns {Promise<void>} */
  disableScreenShare() {
    return this.#joined('screen', () => this.#room.devices.setScreen(false));
  }

  /** @param {string | MediaStream} device a device id or a stream @returns {Promise<void>} the camera is on afterwards */
  changeWebcam(device) {
    return this.#joined('camera', () => {
      requireArgument(!!device, 'changeWebcam: a device id or a MediaStream is missing.');
      return typeof device === 'string' ? this.openCamera(undefined, device) : this.openCamera(device);
    });
  }

  /** @param {string | MediaStream} device a device id or a stream @returns {Promise<void>} the microphone is on afterwards */
  changeMic(device) {
    return this.#joined('microphone', () => {
      requireArgument(!!device, 'changeMic: a device id or a MediaStream is missing.');
      return typeof device === 'string' ? this.#room.devices.setMicrophone(true, { deviceId: device }) : this.openMicrophone(device);
    });
  }

  /**
   * How good a picture our own camera takes.
   * @param {Quality} quality low 320x180, med 640x360, high 1280x720
   * @returns {Promise<void>} rejects with `media-not-ready` while the camera is off
   */
  setWebcamQuality(quality) {
    return this.#joined('camera', async () => {
      const size = UPLOAD[quality];
      requireArgument(!!size, 'setWebcamQuality: low, med or high.');
      const track = this.#track('camera');
      if (!track) throw new EnfiladeError('media-not-ready', 'setWebcamQuality: the camera is off.');
      await track.applyConstraints({ width: { ideal: size.width }, height: { ideal: size.height } });
    });
  }

  /** @returns {Promise<MediaDeviceInfo[]>} labels are empty until permission was given once */
  getWebcams() {
    return this.guard('camera', () => this.#room.capture.devices('videoinput'));
  }
  /** @returns {Promise<MediaDeviceInfo[]>} labels are empty until permission was given once */
  getMics() {
    return this.guard('microphone', () => this.#room.capture.devices('audioinput'));
  }

  /**
   * For the meeting and its parts: whatever goes wrong becomes a MeetingError, and is told by `error` unless it is misuse.
   * @protected
   * @template T
   * @param {Action} action
   * @param {() => T | Promise<T>} run
   * @returns {Promise<T>}
   */
  async guard(action, run) {
    void action;
    return run();
  }

  /** For the meeting. @protected @param {Room} room */
  moveTo(room) {
    this.#room = room;
  }

  /** For the meeting. @protected @param {MediaStream} [custom] @param {string} [deviceId] */
  async openCamera(custom, deviceId) {
    const track = pick(custom, 'video');
    if (!track && !deviceId && this.#room.devices.cameraOn) return;
    const { maxResolution = 'sd', multiStream = true, defaultCamera } = this.#options;
    await this.#room.devices.setCamera(true, {
      ...RESOLUTION[maxResolution], track, deviceId, facingMode: deviceId || !defaultCamera ? undefined : defaultCamera === 'back' ? 'environment' : 'user',
      publish: { simulcast: multiStream, ...wishesOf(track) },
    });
  }

  /** For the meeting. @protected @param {MediaStream} [custom] */
  async openMicrophone(custom) {
    const track = pick(custom, 'audio');
    await this.#room.devices.setMicrophone(true, { track, publish: wishesOf(track) });
  }

  /** @param {Action} action @param {() => Promise<void>} run */
  #joined(action, run) {
    return this.guard(action, () => {
      if (this.#room.state === 'new') throw new EnfiladeError('invalid-state', 'Join the meeting first.');
      return run();
    });
  }

  /** @param {'camera' | 'microphone'} source */
  #track(source) {
    return this.#room.publications.find((p) => p.source === source)?.track ?? null;
  }
}

/**
 * @param {MediaStream | undefined} custom
 * @param {'audio' | 'video'} kind
 * @returns {MediaStreamTrack | undefined}
 */
function pick(custom, kind) {
  if (!custom) return undefined;
  const track = kind === 'video' ? custom.getVideoTracks?.()[0] : custom.getAudioTracks?.()[0];
  if (!track) throw new EnfiladeError('custom-track-invalid', `The stream given has no ${kind} track.`);
  if (track.readyState === 'ended') throw new EnfiladeError('custom-track-ended', `The ${kind} track given has ended.`);
  return track;
}
