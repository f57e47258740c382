import { Emitter } from './emitter.js';
import { asEnfiladeError, EnfiladeError, requireArgument } from './errors.js';
import { KIND } from './protocol.js';

/** @typedef {import('./protocol.js').Source} Source */

/**
 * @typedef {object} PublishOptions
 * @property {Source} source what the track is
 * @property {boolean} [muted] start muted; default false
 * @property {unknown} [metadata] any JSON; tells two publications of one source apart
 * @property {boolean} [simulcast] several encodings, so that each viewer gets what fits; default true for video
 * @property {number} [layers] at most so many encodings; default 3
 * @property {string} [codec] preferred, e.g. "vp9"; the browser falls back where it lacks it
 * @property {number} [maxBitrate] bit/s of the best encoding; default by size
 * @property {boolean} [stopTrack] stop the track when it is unpublished or the room is left; default true
 *
 * @typedef {object} PublisherHooks what a publication asks of the room
 * @property {(publication: LocalPublication) => Promise<void>} replaced
 * @property {(publication: LocalPublication) => Promise<void>} muted
 * @property {(publication: LocalPublication) => Promise<void>} unpublish
 */

/**
 * A microphone, camera or screen that we offer. It outlives reconnects: after a fresh join it is published again by itself.
 * @extends {Emitter<{muted: [boolean], ended: [], wanted: [readonly boolean[]], closed: [EnfiladeError | null]}>}
 *   `ended`: the device or the screen stopped by itself. `wanted`: others receive more or less of it; what nobody receives is
 *   not sent. `closed`: published no more; with an error if the server refused it.
 */
export class LocalPublication extends Emitter {
  #hooks;
  /** @type {MediaStreamTrack | null} */
  #track;
  #muted;
  #closed = false;
  /** @type {number | null} */
  #id = null;
  /** @type {{width?: number, height?: number}} */
  #size = {};
  /** @type {readonly boolean[] | null} */
  #wanted = null;
  #onTrackEnded = () => {
    if (!this.#closed) this.emit('ended');
  };

  /**
   * @param {MediaStreamTrack} track
   * @param {PublishOptions} options
   * @param {PublisherHooks} hooks
   */
  constructor(track, options, hooks) {
    super();
    requireArgument(options?.source in KIND, 'publish: `source` must be microphone, camera, screen or screenAudio.');
    requireArgument(track?.kind === KIND[options.source], `publish: a ${options.source} needs a track of kind ${KIND[options.source]}.`);
    this.#hooks = hooks;
    this.#muted = options.muted ?? false;
    /** @readonly @type {Source} */
    this.source = options.source;
    /** @readonly @type {'audio' | 'video'} */
    this.kind = KIND[options.source];
    /** @readonly */
    this.options = Object.freeze({ stopTrack: true, simulcast: true, ...options });
    /** For the publisher: the state the server was told last. */
    this.toldMuted = this.#muted;
    this.#track = null;
    this.#setTrack(track);
  }

  /** The server's number for it; null while not (or not again) published. */
  get id() {
    return this.#id;
  }

  /** What is sent; null while a muted camera is released. */
  get track() {
    return this.#track;
  }

  get muted() {
    return this.#muted;
  }

  /** Whether it is published no more, for good. */
  get closed() {
    return this.#closed;
  }

  /** Which encodings anybody receives, lowest first; null: the server has not said, so all are sent. */
  get wanted() {
    return this.#wanted;
  }

  /** Of the capture, in pixels; empty for sound. */
  get size() {
    return this.#size;
  }

  /**
   * Others see it muted and receive nothing of it.
   * @param {{release?: boolean}} [options] release: also stop the device, so that its light goes out; `unmute` then needs a
   *   new track. Default false
   * @returns {Promise<void>}
   */
  async mute({ release = false } = {}) {
    this.#assertOpen();
    if (release && this.#track) {
      const track = this.#track;
      this.#setTrack(null);
      track.stop();
      await this.#hooks.replaced(this);
    }
    await this.#setMuted(true);
  }

  /**
   * @param {MediaStreamTrack} [track] a new one, needed after `mute({release: true})`
   * @returns {Promise<void>} rejects with `invalid-argument` when there is nothing to send
   */
  async unmute(track) {
    this.#assertOpen();
    if (track) await this.replaceTrack(track);
    requireArgument(this.#track !== null, 'unmute: the device was released; give a new track.');
    await this.#setMuted(false);
  }

  /**
   * Sends another track (another device) in its place, without negotiation. The old one is stopped unless `stopTrack` is false.
   * @param {MediaStreamTrack} track
   * @returns {Promise<void>}
   */
  async replaceTrack(track) {
    this.#assertOpen();
    requireArgument(track?.kind === this.kind, `replaceTrack: a track of kind ${this.kind} is needed.`);
    const old = this.#track;
    if (old === track) return;
    this.#setTrack(track);
    await this.#hooks.replaced(this);
    if (this.options.stopTrack) old?.stop();
  }

  /** Any codec will do. @readonly @type {null} */
  only = null;

  /** @returns {Promise<void>} */
  async unpublish() {
    if (this.#closed) return;
    await this.#hooks.unpublish(this);
  }

  /** For the transport: what `publish` says of it. */
  wire() {
    this.toldMuted = this.#muted;
    return this.describe();
  }

  /** The same, told of something else. */
  describe() {
    const { width, height } = this.#size;
    const { metadata } = this.options;
    return {
      source: this.source,
      muted: this.#muted,
      ...(width && height ? { width, height } : {}),
      ...(metadata === undefined ? {} : { metadata }),
    };
  }

  /** For the transport. @param {number | null} id */
  assign(id) {
    if (id !== this.#id) this.#wanted = null;
    this.#id = id;
  }

  /** For the publisher: the server says what is received. @param {readonly boolean[]} encodings */
  want(encodings) {
    this.#wanted = Object.freeze([...encodings]);
    this.emit('wanted', this.#wanted);
  }

  /** For the room: the end. @param {EnfiladeError | null} error */
  close(error) {
    if (this.#closed) return;
    this.#closed = true;
    this.#id = null;
    if (this.options.stopTrack) this.#track?.stop();
    this.#setTrack(null);
    this.emit('closed', error);
  }

  /** @param {boolean} muted */
  async #setMuted(muted) {
    if (this.#track) this.#track.enabled = !muted;
    if (this.#muted === muted) return;
    this.#muted = muted;
    this.emit('muted', muted);
    try {
      await this.#hooks.muted(this);
    } catch (thrown) {
      const error = asEnfiladeError(thrown, 'session-lost', 'Muting failed.');
      // After a fresh join the publication is made again as it is now, muted or not.
      if (error.code !== 'session-lost') throw error;
    }
  }

  /** @param {MediaStreamTrack | null} track */
  #setTrack(track) {
    this.#track?.removeEventListener('ended', this.#onTrackEnded);
    this.#track = track;
    if (!track) return;
    track.enabled = !this.#muted;
    track.addEventListener('ended', this.#onTrackEnded);
    if (this.kind === 'video') {
      const { width, height } = track.getSettings?.() ?? {};
      if (width && height) this.#size = { width: Math.round(width), height: Math.round(height) };
    }
  }

  #assertOpen() {
    if (this.#closed) throw new EnfiladeError('invalid-state', 'This is not published any more.');
  }
}
