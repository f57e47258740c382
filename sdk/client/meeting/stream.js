import { Emitter } from '../core/emitter.js';
import { EnfiladeError } from '../core/errors.js';
import { STREAM_KIND } from './constants.js';

/** @typedef {import('../core/participant.js').RemotePublication} RemotePublication */
/** @typedef {import('../core/publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./constants.js').StreamKind} StreamKind */
/** @typedef {'active' | 'paused' | 'stuck' | 'freeze-detected' | 'freeze-resolved' | 'ended'} StreamState */

/**
 * What a stream of somebody else needs.
 * @typedef {object} StreamHooks
 * @property {(paused: boolean) => Promise<void>} pause
 * @property {(stream: Stream) => void} watch somebody wants to hear how it feels
 * @property {() => number} date ms since 1970
 */

/**
 * One thing to see or hear of a participant, for as long as it has the same track. When it ends a new one may take its place.
 * @extends {Emitter<{'stream-state-changed': [{state: StreamState, timestamp: number}]}>}
 *   `stuck`: nothing comes any more, for 2 s or longer. `freeze-detected`: something comes, but the picture stands still.
 *   Both only while somebody listens.
 */
export class Stream extends Emitter {
  #publication;
  #hooks;
  #ended = false;
  /** @type {'well' | 'stuck' | 'frozen'} */
  #health = 'well';

  /**
   * @param {RemotePublication | LocalPublication} publication
   * @param {string} id
   * @param {MediaStreamTrack} track
   * @param {StreamHooks | null} hooks null: it is our own
   */
  constructor(publication, id, track, hooks) {
    super();
    this.#publication = publication;
    this.#hooks = hooks;
    /** @readonly */
    this.id = id;
    /** audio, video, share or shareAudio. @readonly @type {StreamKind} */
    this.kind = STREAM_KIND[publication.source];
    /** To be shown or played. @readonly */
    this.track = track;
  }

  /** e.g. "vp8"; null while unknown, and for our own. */
  get codec() {
    return 'codec' in this.#publication ? this.#publication.codec : null;
  }
  /** Whether we asked not to receive it. */
  get paused() {
    return 'limits' in this.#publication && this.#publication.limits?.paused === true;
  }
  /** @returns {StreamState} */
  get state() {
    if (this.#ended) return 'ended';
    if (this.paused) return 'paused';
    return { well: /** @type {const} */ ('active'), stuck: /** @type {const} */ ('stuck'), frozen: /** @type {const} */ ('freeze-detected') }[this.#health];
  }
  /** What of the screen our own share shows: "monitor", "window" or "browser"; null otherwise. @returns {string | null} */
  get displaySurface() {
    return /** @type {{displaySurface?: string}} */ (this.track.getSettings?.() ?? {}).displaySurface ?? null;
  }

  /** Receives nothing of it until `resume`; others are not concerned. @returns {Promise<void>} rejects with `invalid-state` for our own */
  pause() {
    return this.#setPaused(true);
  }
  /** @returns {Promise<void>} rejects with `invalid-state` for our own */
  resume() {
    return this.#setPaused(false);
  }

  /** For the participant: it is over. */
  end() {
    this.#ended = true;
    this.changed();
  }

  /** For the participant. @param {StreamState} [state] */
  changed(state = this.state) {
    this.emit('stream-state-changed', { state, timestamp: this.#hooks?.date() ?? 0 });
  }

  /** For the watch. @param {'well' | 'stuck' | 'frozen'} health */
  feel(health) {
    const before = this.#health;
    if (health === before || this.#ended) return;
    this.#health = health;
    if (before === 'frozen') this.changed('freeze-resolved');
    this.changed();
  }

  /**
   * @override
   * @param {'stream-state-changed'} event
   * @param {(change: {state: StreamState, timestamp: number}) => void} listener
   */
  on(event, listener) {
    this.#hooks?.watch(this);
    return super.on(event, listener);
  }

  /** @param {boolean} paused */
  async #setPaused(paused) {
    if (!this.#hooks) throw new EnfiladeError('invalid-state', 'One cannot pause receiving oneself; mute instead.');
    await this.#hooks.pause(paused);
  }
}
