import { Emitter } from '../core/emitter.js';
import { EnfiladeError } from '../core/errors.js';

/** @typedef {import('../core/protocol.js').Source} Source */
/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {'audio' | 'video' | 'share' | 'shareAudio'} StreamKind */

/** @type {Record<Source, StreamKind>} */
export const STREAM_KIND = Object.freeze({ microphone: 'audio', camera: 'video', screen: 'share', screenAudio: 'shareAudio' });
const QUALITY = /** @type {const} */ ({ low: 'low', med: 'medium', high: 'high' });

/**
 * One thing to see or hear of a participant.
 * @typedef {{readonly id: string, readonly kind: StreamKind, readonly track: MediaStreamTrack}} Stream
 */

/**
 * Somebody in the meeting, ourselves included.
 * @extends {Emitter<{'stream-enabled': [Stream], 'stream-disabled': [Stream]}>}
 */
export class MeetingParticipant extends Emitter {
  #room;
  /** By id of the stream. @type {Map<string, Stream>} */
  streams = new Map();

  /**
   * @param {Room} room
   * @param {{id: string, displayName: string, metadata: unknown}} who
   * @param {boolean} local
   */
  constructor(room, who, local) {
    super();
    this.#room = room;
    /** @readonly */
    this.id = who.id;
    this.displayName = who.displayName;
    this.metaData = who.metadata;
    /** @readonly */
    this.local = local;
    /** @readonly */
    this.isLocal = local;
  }

  get webcamOn() {
    return this.#has('video');
  }
  get micOn() {
    return this.#has('audio');
  }
  get screenShareOn() {
    return this.#has('share');
  }
  get screenShareAudioOn() {
    return this.#has('shareAudio');
  }

  /**
   * How good a camera picture we want of this participant.
   * @param {'low' | 'med' | 'high'} quality
   * @returns {Promise<void>}
   */
  async setQuality(quality) {
    const cap = QUALITY[quality];
    if (!cap) throw new EnfiladeError('invalid-argument', 'setQuality: low, med or high.');
    await this.#camera()?.subscribe({ quality: cap });
  }

  /**
   * The size of the tile that shows the camera of this participant.
   * @param {number} width pixels
   * @param {number} height pixels
   * @returns {Promise<void>}
   */
  async setViewPort(width, height) {
    await this.#camera()?.subscribe({ maxWidth: Math.round(width), maxHeight: Math.round(height) });
  }

  /** Sends this participant out. Needs the permission `allow_mod`. @returns {Promise<void>} */
  async remove() {
    await this.#room.remove(this.id);
  }

  /**
   * For the meeting: what can be seen and heard now.
   * @param {Stream[]} streams
   */
  show(streams) {
    for (const [id, stream] of this.streams) {
      if (streams.some((s) => s.id === id && s.track === stream.track)) continue;
      this.streams.delete(id);
      this.emit('stream-disabled', stream);
    }
    for (const stream of streams) {
      if (this.streams.has(stream.id)) continue;
      this.streams.set(stream.id, stream);
      this.emit('stream-enabled', stream);
    }
  }

  #camera() {
    if (this.local) throw new EnfiladeError('invalid-state', 'This is for others, not for oneself.');
    return this.#room.participants.get(this.id)?.publication('camera');
  }

  /** @param {StreamKind} kind */
  #has(kind) {
    for (const stream of this.streams.values()) if (stream.kind === kind) return true;
    return false;
  }
}
