/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {{type: 'bandwidth' | 'cpu', state: 'detected' | 'resolved', timestamp: number}} Limitation timestamp: ms since 1970 */
/** @typedef {{deviceLabel: string, state: 'detected' | 'resolved', timestamp: number}} Silence timestamp: ms since 1970 */

/** How often the browser is asked, in ms. */
const EVERY_MS = 4000;
/** So many looks in a row without the slightest sound: even a quiet room has some. */
const SILENT_LOOKS = 2;

/**
 * Watches what we send: whether our pictures are held back by the network or by this device, and whether our microphone is
 * dead. Runs only once somebody listens.
 */
export class UploadWatch {
  #room;
  #tell;
  /** @type {'bandwidth' | 'cpu' | null} */
  #limited = null;
  #running = false;
  /** @type {{track: MediaStreamTrack | null, energy: number, looks: number}} */
  #sound = { track: null, energy: 0, looks: 0 };

  /**
   * @param {() => Room} room
   * @param {{limitation: (limitation: Limitation) => void, silence: (silence: Silence) => void}} tell
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
    this.#room().platform.setTimeout(() => {
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
    const reports = [.../** @type {Map<string, any>} */ (/** @type {unknown} */ (stats ?? new Map())).values()];
    const timestamp = room.platform.date?.() ?? 0;
    this.#limitation(reports, timestamp);
    this.#silence(reports, timestamp);
  }

  /** @param {Record<string, any>[]} reports @param {number} timestamp */
  #limitation(reports, timestamp) {
    const reasons = reports.flatMap((r) => (r.type === 'outbound-rtp' ? [r.qualityLimitationReason] : []));
    const found = reasons.includes('cpu') ? 'cpu' : reasons.includes('bandwidth') ? 'bandwidth' : null;
    if (found === this.#limited) return;
    if (this.#limited) this.#tell.limitation({ type: this.#limited, state: 'resolved', timestamp });
    if (found) this.#tell.limitation({ type: found, state: 'detected', timestamp });
    this.#limited = found;
  }

  /** @param {Record<string, any>[]} reports @param {number} timestamp */
  #silence(reports, timestamp) {
    const microphone = this.#room().publications.find((p) => p.source === 'microphone' && !p.muted);
    const track = microphone?.track ?? null;
    const energy = reports.find((r) => r.type === 'media-source' && r.trackIdentifier === track?.id)?.totalAudioEnergy;
    const before = this.#sound;
    const same = track !== null && before.track === track && energy !== undefined && energy === before.energy;
    this.#sound = { track, energy: energy ?? -1, looks: same ? before.looks + 1 : 0 };
    const [was, is] = [before.looks >= SILENT_LOOKS, this.#sound.looks >= SILENT_LOOKS];
    if (was !== is) this.#tell.silence({ deviceLabel: (track ?? before.track)?.label ?? '', state: is ? 'detected' : 'resolved', timestamp });
  }
}
