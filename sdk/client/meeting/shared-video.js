import { EnfiladeError, requireArgument } from '../core/errors.js';

/** @typedef {import('./realtime-store.js').RealtimeStore} RealtimeStore */
/** @typedef {'started' | 'paused' | 'resumed' | 'stopped'} VideoStatus */
/** @typedef {{status: VideoStatus, link: string, currentTime: number}} VideoState currentTime: seconds */

/** Where in the shared store it lies. */
const KEY = 'enfilade.video';

/**
 * A video from elsewhere that everybody watches together: the shared store says which, whether it plays and from where; each
 * page plays it itself.
 */
export class SharedVideo {
  #store;
  #changed;
  #sought;
  /** @type {(VideoState & {sought?: number}) | null} */
  #now = null;

  /**
   * @param {RealtimeStore} store
   * @param {(state: VideoState) => void} changed
   * @param {(at: {currentTime: number}) => void} sought
   */
  constructor(store, changed, sought) {
    this.#store = store;
    this.#changed = changed;
    this.#sought = sought;
    store.observe(KEY, (value) => this.#read(value));
  }

  /** What is playing for all; null: nothing. @returns {VideoState | null} */
  get state() {
    return this.#now && { status: this.#now.status, link: this.#now.link, currentTime: this.#now.currentTime };
  }

  /** What began before we came is told now. */
  async catchUp() {
    const value = await this.#store.peek(KEY);
    if (!this.#now) this.#read(value); // else it was told meanwhile
  }

  /** @param {{link: string}} options at most 900 bytes */
  async start({ link }) {
    requireArgument(typeof link === 'string' && link !== '', 'startVideo: `link` is missing.');
    await this.#write({ status: 'started', link, currentTime: 0 });
  }

  async stop() {
    if (this.#now) await this.#store.setValue(KEY, null);
  }

  /** @param {VideoStatus} status @param {number} [currentTime] seconds */
  async set(status, currentTime) {
    const now = this.#must();
    await this.#write({ link: now.link, status, currentTime: currentTime ?? now.currentTime });
  }

  /** @param {number} currentTime seconds */
  async seek(currentTime) {
    requireArgument(Number.isFinite(currentTime) && currentTime >= 0, 'seekVideo: `currentTime` in seconds.');
    const { link, status, sought = 0 } = this.#must();
    await this.#write({ link, status, currentTime, sought: sought + 1 });
  }

  #must() {
    if (!this.#now) throw new EnfiladeError('invalid-argument', 'No video is shared at the moment.');
    return this.#now;
  }

  /** @param {VideoState & {sought?: number}} state */
  async #write(state) {
    await this.#store.setValue(KEY, JSON.stringify({ sought: this.#now?.sought ?? 0, ...state }));
  }

  /** @param {string | null} value */
  #read(value) {
    const before = this.#now;
    const next = parse(value);
    this.#now = next;
    if (!next) {
      if (before) this.#changed({ link: before.link, currentTime: before.currentTime, status: 'stopped' });
      return;
    }
    const { link, status, currentTime } = next;
    if (before && before.sought !== next.sought) this.#sought({ currentTime });
    else if (before?.status !== status || before?.link !== link) this.#changed({ link, status, currentTime });
  }
}

/** @param {string | null} value @returns {(VideoState & {sought?: number}) | null} null: nothing, or nothing of ours */
function parse(value) {
  try {
    const state = JSON.parse(value ?? 'null');
    return typeof state?.link === 'string' ? state : null;
  } catch {
    return null;
  }
}
