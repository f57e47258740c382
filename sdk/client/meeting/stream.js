import { Emitter } from '../core/emitter.js';
import { EnfiladeError } from '../core/errors.js';
import { STREAM_KIND } from './constants.js';

/** @typedef {import('../core/participant.js').RemotePublication} RemotePublication */
/** @typedef {import('../core/publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./constants.js').StreamKind} StreamKind */
/** @typedef {'active' | 'paused' | 'ended'} StreamState */

/**
 * One thing to see or hear of a participant, for as long as it has the same track. When it ends a new one may take its place.
 * @extends {Emitter<{'stream-state-changed': [{state: StreamState}]}>}
 */
export class Stream extends Emitter {
  #publication;
  #pause;
  #ended = false;

  /**
   * @param {RemotePublication | LocalPublication} publication
   * @param {string} id
   * @param {MediaStreamTrack} track
   * @param {((paused: boolean) => Promise<void>) | null} pause null: it is our own
   */
  constructor(publication, id, track, pause) {
    super();
    this.#publication = publication;
    this.#pause = pause;
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
    return this.#ended ? 'ended' : this.paused ? 'paused' : 'active';
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

  /** For the participant. */
  changed() {
    this.emit('stream-state-changed', { state: this.state });
  }

  /** @param {boolean} paused */
  async #setPaused(paused) {
    if (!this.#pause) throw new EnfiladeError('invalid-state', 'One cannot pause receiving oneself; mute instead.');
    await this.#pause(paused);
  }
}
