/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {import('./stream.js').Stream} Stream */

/** How often the browser is asked, in ms. */
const EVERY_MS = 2000;

/** Watches whether what should come does come. Runs only while there are streams that somebody listens to. */
export class StreamWatch {
  #room;
  /** @type {Map<Stream, {packets: number, frames: number}>} */
  #watched = new Map();
  #running = false;

  /** @param {Room} room */
  constructor(room) {
    this.#room = room;
  }

  /** @param {Stream} stream */
  watch(stream) {
    if (this.#watched.has(stream)) return;
    this.#watched.set(stream, { packets: -1, frames: -1 });
    if (!this.#running) this.#next();
  }

  #next() {
    this.#running = this.#watched.size > 0 && this.#room.state !== 'closed';
    if (!this.#running) return;
    this.#room.platform.setTimeout(() => void this.#look().finally(() => this.#next()), EVERY_MS);
  }

  async #look() {
    for (const [stream, before] of [...this.#watched]) {
      if (stream.state === 'ended') {
        this.#watched.delete(stream);
        continue;
      }
      const stats = await this.#room.peerConnection?.getStats(stream.track).catch(() => null);
      const report = [.../** @type {Map<string, any>} */ (/** @type {unknown} */ (stats ?? new Map())).values()].find((r) => r.type === 'inbound-rtp');
      if (!report) continue;
      const now = { packets: report.packetsReceived ?? 0, frames: report.framesDecoded ?? 0 };
      this.#watched.set(stream, now);
      if (before.packets < 0 || stream.paused) continue;
      if (now.packets === before.packets) stream.feel('stuck');
      else if (stream.track.kind === 'video' && now.frames === before.frames) stream.feel('frozen');
      else stream.feel('well');
    }
  }
}
