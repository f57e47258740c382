/** @typedef {import('./platform.js').Platform} Platform */

/**
 * How long to wait before a try to come back: 0, 0.3, 1.2, 2.7, 4.8 s, then 7 s, each but the first with up to 25 % of
 * jitter either way, so that a thousand clients of a restarted server do not knock at once.
 * @param {number} attempt 0 for the first
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function backoffMs(attempt, random) {
  if (attempt <= 0) return 0;
  const base = Math.min(300 * attempt * attempt, 7000);
  return Math.round(base * (0.75 + 0.5 * random()));
}

/** The waiting between tries; `hurry` ends a wait early (the network is back), `cancel` ends it for good. */
export class Backoff {
  #platform;
  #attempt = 0;
  #cancelled = false;
  /** @type {(() => void) | null} */
  #wake = null;

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /** Tries begun since the last `reset`. */
  get attempts() {
    return this.#attempt;
  }

  /**
   * Waits for its turn.
   * @param {number} [atLeastMs] what the server asked for
   * @param {number} [hungMs] what the try before has waited for an answer of the network already
   * @returns {Promise<boolean>} false when cancelled: do not try
   */
  async turn(atLeastMs = 0, hungMs = 0) {
    const ms = Math.max(backoffMs(this.#attempt++, this.#platform.random) - hungMs, atLeastMs);
    if (ms > 0 && !this.#cancelled) {
      await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
        const timer = this.#platform.setTimeout(() => this.#wake?.(), ms);
        this.#wake = () => {
          this.#platform.clearTimeout(timer);
          this.#wake = null;
          resolve();
        };
      });
    }
    return !this.#cancelled;
  }

  /** Ends the present wait now and starts counting anew. */
  hurry() {
    this.#attempt = Math.min(this.#attempt, 1);
    this.#wake?.();
  }

  reset() {
    this.#attempt = 0;
  }

  cancel() {
    this.#cancelled = true;
    this.#wake?.();
  }
}
