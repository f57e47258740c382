/** @typedef {import('./browser.js').Surroundings} Surroundings */

/** Bytes of a parcel on their way to its readers at a time. The server closes the channel of a reader that is 1 MiB behind. */
const WINDOW_BYTES = 256 * 1024;
/** A reader that says nothing for so long is not waited for any more, in ms. */
const PATIENCE_MS = 15_000;

/**
 * Keeps a sender from running away from its readers: a parcel goes on when all who were there at its beginning have heard what
 * came before.
 */
export class Pacing {
  #platform;
  /** Parcel -> reader -> parts heard. @type {Map<number, Map<string, number>>} */
  #heard = new Map();
  /** @type {Set<() => void>} */
  #waiting = new Set();

  /** @param {Surroundings} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /** How many parts may be under way. @param {number} size of a part, in bytes */
  static ahead(size) {
    return Math.max(1, Math.floor(WINDOW_BYTES / size));
  }

  /** @param {number} parcel @param {Iterable<string>} readers */
  begin(parcel, readers) {
    this.#heard.set(parcel, new Map([...readers].map((reader) => [reader, 0])));
  }

  /** @param {number} parcel */
  end(parcel) {
    this.#heard.delete(parcel);
  }

  /** @param {string} reader @param {number} parcel @param {number} index of a part */
  hear(reader, parcel, index) {
    const heard = this.#heard.get(parcel);
    if (heard?.has(reader)) heard.set(reader, Math.max(index + 1, heard.get(reader) ?? 0));
    this.#wake();
  }

  /** A reader is gone. @param {string} reader */
  lose(reader) {
    for (const heard of this.#heard.values()) heard.delete(reader);
    this.#wake();
  }

  /** Nobody reads any more. */
  clear() {
    this.#heard.clear();
    this.#wake();
  }

  /**
   * @param {number} parcel
   * @param {number} count parts that all readers should have heard
   * @returns {Promise<void>}
   */
  async until(parcel, count) {
    for (;;) {
      const heard = this.#heard.get(parcel);
      const behind = [...(heard ?? [])].filter(([, has]) => has < count);
      if (!heard || behind.length === 0) return;
      if (!(await this.#change())) for (const [reader] of behind) heard.delete(reader);
    }
  }

  #wake() {
    for (const wake of [...this.#waiting]) wake();
  }

  /** @returns {Promise<boolean>} false: nothing happened for too long */
  #change() {
    return new Promise((resolve) => {
      const done = (/** @type {boolean} */ changed) => {
        this.#platform.clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve(changed);
      };
      const wake = () => done(true);
      const timer = this.#platform.setTimeout(() => done(false), PATIENCE_MS);
      this.#waiting.add(wake);
    });
  }
}
