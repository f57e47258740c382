import { Emitter } from '../core/emitter.js';
import { EnfiladeError, requireArgument } from '../core/errors.js';
import { modeName, STREAM_KIND } from './constants.js';
import { Elements } from './elements.js';
import { transportStats } from '../core/stats.js';
import { Viewing } from './viewing.js';

/** @typedef {import('../core/protocol.js').Source} Source */
/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {import('./constants.js').MeetingMode} MeetingMode */
/** @typedef {import('./constants.js').PinType} PinType */
/** @typedef {import('./constants.js').Quality} Quality */
/** @typedef {import('./constants.js').StreamKind} StreamKind */
/** @typedef {import('../core/stats.js').StreamStats} StreamStats */
/** @typedef {import('../core/stats.js').TransportStats} TransportStats */
/** @typedef {import('./stream.js').Stream} Stream */

/**
 * What a participant needs of its meeting.
 * @typedef {object} Surroundings
 * @property {Room} room
 * @property {import('../core/platform.js').Platform} platform
 * @property {import('../core/stats.js').Stats} stats
 * @property {boolean} autoConsume
 * @property {boolean} olderModes whether the app speaks of CONFERENCE and VIEWER
 * @property {<T>(action: import('./errors.js').Action, run: () => T | Promise<T>) => Promise<T>} guard turns what is thrown into MeetingErrors
 */

const QUALITY = /** @type {const} */ ({ low: 'low', med: 'medium', high: 'high' });
const LAYER = { low: 0, medium: 1, high: 2 };
const LEVELS = /** @type {const} */ (['LOW', 'MEDIUM', 'HIGH']);
/** @type {Record<PinType, {camera: boolean, screen: boolean}>} */
const PINS = { SHARE_AND_CAM: { camera: true, screen: true }, CAM: { camera: true, screen: false }, SHARE: { camera: false, screen: true } };

/**
 * Somebody in the meeting, ourselves included.
 *
 * Methods that return a Promise reject with a MeetingError; those for others reject with `invalid-state` on ourselves, and
 * those for ourselves on others.
 *
 * @typedef {'EncryptionSuccess' | 'EncryptionFailed' | 'DecryptionSuccess' | 'DecryptionFailed'} EncryptionState
 *
 * @extends {Emitter<{
 *   'stream-enabled': [Stream],
 *   'stream-disabled': [Stream],
 *   'stream-paused': [{kind: StreamKind, reason: string}],
 *   'stream-resumed': [{kind: StreamKind, reason: string}],
 *   'media-status-changed': [{kind: StreamKind, newStatus: boolean}],
 *   'video-quality-changed': [{currentQuality: 'LOW' | 'MEDIUM' | 'HIGH', prevQuality: 'LOW' | 'MEDIUM' | 'HIGH' | null}],
 *   'e2ee-state-change': [{kind: StreamKind, state: EncryptionState, reason: string | null}],
 * }>}
 *   `stream-enabled`, `stream-disabled`: show and hide. `media-status-changed`: they switched something on or off, whether
 *   or not we receive it. `e2ee-state-change`: what becomes of their frames with end-to-end encryption; `reason`: `missing-key`,
 *   `wrong-key`, `not-encrypted` or `unsupported`. `video-quality-changed`: another encoding of their camera reaches us.
 */
export class Participant extends Emitter {
  #in;
  #viewing;
  #elements;
  #level = /** @type {'LOW' | 'MEDIUM' | 'HIGH' | null} */ (null);
  /** @type {Map<StreamKind, boolean>} */
  #status = new Map();
  /** By id of the stream. @type {Map<string, Stream>} */
  streams = new Map();
  /** What we asked to see of their camera. @type {Quality} */
  quality = 'high';
  /** What we asked to see of their screen. @type {Quality} */
  screenShareQuality = 'high';

  /**
   * @param {Surroundings} surroundings
   * @param {{id: string, displayName: string, metadata: unknown, mode: import('../core/protocol.js').Mode}} who
   * @param {boolean} local
   */
  constructor(surroundings, who, local) {
    super();
    this.#in = surroundings;
    this.#viewing = new Viewing((source) => surroundings.room.participants.get(who.id)?.publication(source) ?? null, surroundings.autoConsume);
    this.#elements = new Elements(surroundings.platform, this);
    /** @readonly */
    this.id = who.id;
    this.displayName = who.displayName;
    /** Any JSON they joined with. */
    this.metaData = who.metadata;
    /** @type {MeetingMode} */
    this.mode = modeName(who.mode, surroundings.olderModes);
    /** @readonly */
    this.local = local;
    /** @readonly */
    this.isLocal = local;
  }

  /** Whether their camera can be seen. */
  get webcamOn() {
    return this.#has('video');
  }
  /** Whether their microphone can be heard. */
  get micOn() {
    return this.#has('audio');
  }
  /** Whether their screen can be seen. */
  get screenShareOn() {
    return this.#has('share');
  }
  /** Whether the sound of their screen can be heard. */
  get screenShareAudioOn() {
    return this.#has('shareAudio');
  }
  /** What of them is pinned for everybody. */
  get pinState() {
    const pin = this.#in.room.pins.get(this.id);
    return { cam: pin?.camera ?? false, share: pin?.screen ?? false };
  }
  /** Quality of their connection, 1 (bad) to 5 (excellent); null while unknown. */
  get connectionQuality() {
    return (this.local ? this.#in.room.localParticipant : this.#in.room.participants.get(this.id))?.quality ?? null;
  }

  // -- what we receive of them ---------------------------------------------------------------------------------------

  /**
   * How good a camera picture we want at most. Holds together with `setViewPort`.
   * @param {Quality} quality
   * @returns {Promise<void>}
   */
  setQuality(quality) {
    return this.#in.guard('setQuality', async () => {
      await this.#limit('camera', { quality: cap(quality) });
      this.quality = quality;
    });
  }

  /**
   * How good a picture of their screen we want at most.
   * @param {Quality} quality
   * @returns {Promise<void>}
   */
  setScreenShareQuality(quality) {
    return this.#in.guard('setQuality', async () => {
      await this.#limit('screen', { quality: cap(quality) });
      this.screenShareQuality = quality;
    });
  }

  /**
   * The size of the tile that shows their camera: nothing larger is sent to us. Goes before the size of an element of `renderVideo`.
   * @param {number} width pixels
   * @param {number} height pixels
   * @returns {Promise<void>}
   */
  setViewPort(width, height) {
    return this.#in.guard('setQuality', () => {
      requireArgument(width > 0 && height > 0, 'setViewPort: width and height in pixels.');
      return this.#limit('camera', { maxWidth: Math.round(width), maxHeight: Math.round(height) });
    });
  }

  /** Receives their microphone; needed with `autoConsume: false`. @returns {Promise<void>} */
  consumeMicStreams() {
    return this.#want('microphone', true);
  }
  /** @returns {Promise<void>} */
  stopConsumingMicStreams() {
    return this.#want('microphone', false);
  }
  /** Receives their camera; needed with `autoConsume: false`. @returns {Promise<void>} */
  consumeWebcamStreams() {
    return this.#want('camera', true);
  }
  /** @returns {Promise<void>} */
  stopConsumingWebcamStreams() {
    return this.#want('camera', false);
  }
  /** Receives their screen and its sound; needed with `autoConsume: false`. @returns {Promise<void>} */
  async consumeScreenShareStreams() {
    await Promise.all([this.#want('screen', true), this.#want('screenAudio', true)]);
  }
  /** @returns {Promise<void>} */
  async stopConsumingScreenShareStreams() {
    await Promise.all([this.#want('screen', false), this.#want('screenAudio', false)]);
  }

  // -- what a moderator may ask ---------------------------------------------------------------------------------------

  /** Asks them to switch on: they get `mic-requested`, and accept or not. Needs `allow_mod`. @returns {Promise<void>} */
  enableMic() {
    return this.#request('enableMic', 'microphone', true);
  }
  /** Mutes them at once. Needs `allow_mod`. @returns {Promise<void>} */
  disableMic() {
    return this.#request('disableMic', 'microphone', false);
  }
  /** Asks them to switch on: they get `webcam-requested`, and accept or not. Needs `allow_mod`. @returns {Promise<void>} */
  enableWebcam() {
    return this.#request('enableWebcam', 'camera', true);
  }
  /** Switches their camera off at once. Needs `allow_mod`. @returns {Promise<void>} */
  disableWebcam() {
    return this.#request('disableWebcam', 'camera', false);
  }
  /** Ends their screen share at once. Needs `allow_mod`. @returns {Promise<void>} */
  disableScreenShare() {
    return this.#request('disableWebcam', 'screen', false);
  }

  /** Sends them out. Needs `allow_mod`. @returns {Promise<void>} */
  remove() {
    return this.#in.guard('remove', () => this.#in.room.remove(this.id));
  }

  /**
   * Asks them to go to another meeting; they get `switch-meeting`, and go or not. Needs `allow_mod`.
   * @param {{meetingId: string, token: string, payload?: unknown}} where with a token that is good for that meeting; payload: up to 4 KiB
   * @returns {Promise<void>}
   */
  switchTo({ meetingId, token, payload }) {
    return this.#in.guard('switchParticipant', () => {
      requireSwitch(meetingId, token);
      return this.#in.room.switchParticipant(this.id, { room: meetingId, token, payload });
    });
  }

  /**
   * Pins them for everybody; adds to what is pinned of them already.
   * @param {PinType | null} [type] default: SHARE_AND_CAM
   * @returns {Promise<void>}
   */
  pin(type) {
    return this.#in.guard('pin', () => {
      const { cam, share } = this.pinState;
      const { camera, screen } = pinned(type);
      return this.#in.room.pin(this.id, { camera: camera || cam, screen: screen || share });
    });
  }

  /**
   * @param {PinType | null} [type] default: SHARE_AND_CAM
   * @returns {Promise<void>}
   */
  unpin(type) {
    return this.#in.guard('unpin', () => {
      const { cam, share } = this.pinState;
      const { camera, screen } = pinned(type);
      return this.#in.room.pin(this.id, { camera: cam && !camera, screen: share && !screen });
    });
  }

  // -- pictures and figures -------------------------------------------------------------------------------------------

  /**
   * The picture of their camera as it is now.
   * @param {{width?: number, height?: number}} [size] pixels; default: as it is sent
   * @returns {Promise<string>} base64 of a JPEG; rejects with `media-not-ready` without a picture
   */
  captureImage(size = {}) {
    return this.#in.guard('capture', () => {
      const track = [...this.streams.values()].find((s) => s.kind === 'video')?.track;
      if (!track) throw new EnfiladeError('media-not-ready', 'captureImage: there is no picture of this participant.');
      const capture = this.#in.platform.captureFrame;
      if (!capture) throw new EnfiladeError('not-supported', 'captureImage: not possible here.');
      return this.#elements.whole('video', () => capture(track, size));
    });
  }

  /** Of their camera. @returns {Promise<StreamStats[]>} one for each encoding; empty while nothing flows */
  getVideoStats() {
    return this.#stats('camera');
  }
  /** Of their microphone. @returns {Promise<StreamStats[]>} */
  getAudioStats() {
    return this.#stats('microphone');
  }
  /** Of their screen. @returns {Promise<StreamStats[]>} */
  getShareStats() {
    return this.#stats('screen');
  }
  /** Of the sound of their screen. @returns {Promise<StreamStats[]>} */
  getShareAudioStats() {
    return this.#stats('screenAudio');
  }
  /** Of our own way to the server, which carries everybody. @returns {Promise<TransportStats | null>} null while there is none */
  getTransportStats() {
    return this.#in.guard('stats', () => {
      const pc = this.#in.room.peerConnection;
      return pc ? transportStats(pc) : null;
    });
  }

  /**
   * An element that shows their camera or screen, and follows when it comes and goes.
   * @param {{type?: 'video' | 'share', adaptive?: boolean}} [options] default video. adaptive: only what fits the element is
   *   sent to us, and nothing while it is out of sight; default: as the meeting says (`disableAdaptiveSubscription`)
   * @returns {HTMLVideoElement}
   */
  renderVideo({ type = 'video', adaptive } = {}) {
    return /** @type {HTMLVideoElement} */ (this.#elements.make(type, adaptive));
  }

  /**
   * An element that plays their microphone or the sound of their screen.
   * @param {{type?: 'audio' | 'shareAudio'}} [options] default audio
   * @returns {HTMLAudioElement}
   */
  renderAudio({ type = 'audio' } = {}) {
    return /** @type {HTMLAudioElement} */ (this.#elements.make(type, false));
  }

  // -- for the meeting ------------------------------------------------------------------------------------------------

  /** For the meeting: changes by the core. @param {{displayName: string, metadata: unknown, mode: import('../core/protocol.js').Mode}} who */
  update(who) {
    this.displayName = who.displayName;
    this.metaData = who.metadata;
    this.mode = modeName(who.mode, this.#in.olderModes);
  }

  /** For the meeting: what can be seen and heard now. @param {Stream[]} streams */
  show(streams) {
    for (const [id, stream] of this.streams) {
      if (streams.some((s) => s.id === id && s.track === stream.track)) continue;
      this.streams.delete(id);
      stream.end();
      this.#elements.vanish(stream);
      this.emit('stream-disabled', stream);
    }
    for (const stream of streams) {
      if (this.streams.has(stream.id)) continue;
      this.streams.set(stream.id, stream);
      this.#elements.appear(stream);
      this.emit('stream-enabled', stream);
    }
  }

  /** For the meeting: what they have switched on, received or not. @param {Set<StreamKind>} on */
  status(on) {
    for (const kind of /** @type {const} */ (['audio', 'video', 'share', 'shareAudio'])) {
      if ((this.#status.get(kind) ?? false) === on.has(kind)) continue;
      this.#status.set(kind, on.has(kind));
      this.emit('media-status-changed', { kind, newStatus: on.has(kind) });
    }
  }

  /** For the meeting: another encoding of their camera. @param {number} encoding 0 the lowest @param {number} of how many */
  receives(encoding, of) {
    const level = LEVELS[of <= 1 ? 2 : Math.round((encoding * 2) / (of - 1))] ?? 'HIGH';
    if (level === this.#level) return;
    const prevQuality = this.#level;
    this.#level = level;
    this.emit('video-quality-changed', { currentQuality: level, prevQuality });
  }

  /** For the meeting. */
  get viewing() {
    return this.#viewing;
  }
  /** For the meeting. */
  get elements() {
    return this.#elements;
  }

  /**
   * For streams and for the meeting.
   * @param {Source} source
   * @param {boolean} paused
   * @param {string} reason told by `stream-paused` and `stream-resumed`
   */
  async pause(source, paused, reason) {
    const kind = STREAM_KIND[source];
    const was = this.#viewing.limits(source).paused === true;
    await this.#viewing.limit(source, { paused: paused || undefined });
    if (was === paused) return;
    for (const stream of this.streams.values()) if (stream.kind === kind) stream.changed();
    this.emit(paused ? 'stream-paused' : 'stream-resumed', { kind, reason });
  }

  /**
   * @param {Source} source
   * @param {import('../core/protocol.js').Limits} change
   */
  async #limit(source, change) {
    this.#assertRemote();
    await this.#viewing.limit(source, change);
  }

  /** @param {Source} source @param {boolean} wanted */
  #want(source, wanted) {
    return this.#in.guard(wanted ? 'consume' : 'stopConsuming', () => {
      this.#assertRemote();
      return this.#viewing.want(source, wanted);
    });
  }

  /**
   * @param {'enableMic' | 'disableMic' | 'enableWebcam' | 'disableWebcam'} action
   * @param {'microphone' | 'camera' | 'screen'} source
   * @param {boolean} on
   */
  #request(action, source, on) {
    return this.#in.guard(action, async () => {
      if (!this.local) return this.#in.room.requestMedia(this.id, source, on);
      const { devices } = this.#in.room; // of oneself one need not ask
      await { microphone: () => devices.setMicrophone(on), camera: () => devices.setCamera(on), screen: () => devices.setScreen(on) }[source]();
    });
  }

  /** @param {Source} source */
  #stats(source) {
    return this.#in.guard('stats', async () => {
      const { room } = this.#in;
      const theirs = this.local ? null : room.participants.get(this.id)?.publication(source);
      const track = (this.local ? room.localParticipant?.publication(source) : theirs)?.track;
      if (!track || !room.peerConnection) return [];
      const { quality } = this.#viewing.limits(source);
      return this.#in.stats.ofTrack(room.peerConnection, track, { current: theirs?.encoding, preferred: quality ? LAYER[quality] : null });
    });
  }

  #assertRemote() {
    if (this.local) throw new EnfiladeError('invalid-argument', 'This is for others, not for oneself.');
  }

  /** @param {StreamKind} kind */
  #has(kind) {
    for (const stream of this.streams.values()) if (stream.kind === kind) return true;
    return false;
  }
}

/** @param {Quality} quality */
function cap(quality) {
  const found = QUALITY[quality];
  requireArgument(!!found, 'quality: low, med or high.');
  return found;
}

/** @param {PinType | null | undefined} type */
function pinned(type) {
  const what = PINS[type ?? 'SHARE_AND_CAM'];
  requireArgument(!!what, 'pin: SHARE_AND_CAM, CAM or SHARE.');
  return what;
}

/** @param {unknown} meetingId @param {unknown} token */
export function requireSwitch(meetingId, token) {
  requireArgument(typeof meetingId === 'string' && meetingId !== '', 'switchTo: `meetingId` is missing.');
  requireArgument(typeof token === 'string' && token !== '', 'switchTo: `token` is missing; make one that is good for that meeting.');
}
