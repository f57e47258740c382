/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {{type: 'bandwidth' | 'cpu', state: 'detected' | 'resolved', timestamp: number}} Limitation timestamp: ms since 1970 */

/** How often the browser is asked, in ms. */
const EVERY_MS = 4000;

/** Watches whether our own pictures are held back by the network or by this device. Runs only while somebody listens. */
export class LimitationWatch {
  #room;
  #tell;
  /** @type {'bandwidth' | 'cpu' | null} */
  #now = null;
  #running = false;

  /**
   * @param {() => Room} room
   * @param {(limitation: Limitation) => void} tell
   */
  constructor(room, tell) {
    this.#room = room;
    this.#tell = tell;
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#next();
  }

  #next() {
    const { platform } = this.#room();
    platform.setTimeout(() => {
      if (this.#room().state === 'closed') {
        this.#running = false;
        return;
      }
      void this.#look().finally(() => this.#next());
    }, EVERY_MS);
  }

  async #look() {
    const room = this.#room();
    const stats = await room.peerConnection?.getStats?.().catch(() => null);
    /** @type {'bandwidth' | 'cpu' | null} */
    let found = null;
    for (const report of /** @type {Map<string, any>} */ (/** @type {unknown} */ (stats ?? new Map())).values()) {
      const reason = report.type === 'outbound-rtp' ? report.qualityLimitationReason : null;
      if (reason === 'cpu' || (reason === 'bandwidth' && found === null)) found = reason;
    }
    if (found === this.#now) return;
    const timestamp = room.platform.date?.() ?? 0;
    if (this.#now) this.#tell({ type: this.#now, state: 'resolved', timestamp });
    if (found) this.#tell({ type: found, state: 'detected', timestamp });
    this.#now = found;
  }
}
