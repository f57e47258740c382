import { asEnfiladeError, EnfiladeError } from './errors.js';
import { SendLines } from './lines.js';
import { MediaPath } from './media-path.js';
import { exchange, NegotiationQueue } from './negotiation.js';
import { Seats } from './seats.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Answer} Answer */
/** @typedef {import('./lines.js').Published} Published */
/** @typedef {import('./session.js').Session} Session */

/**
 * One peer connection with what hangs on it: the queue, our sending lines, the seats, the path. It lives as long as its
 * session; after a fresh join there is a new one.
 */
export class Transport {
  #session;
  #e2ee;
  #queue = new NegotiationQueue();
  #closed = false;
  #onSeats;

  /**
   * @param {Platform} platform
   * @param {Session} session
   * @param {RTCIceServer[]} iceServers
   * @param {() => void} onSeats called when seats got their lines
   * @param {import('./e2ee.js').E2ee | null} [e2ee]
   */
  constructor(platform, session, iceServers, onSeats, e2ee = null) {
    this.#session = session;
    this.#onSeats = onSeats;
    this.#e2ee = e2ee;
    /** @readonly */
    this.pc = platform.createPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers, ...e2ee?.config });
    /** @readonly */
    this.seats = new Seats(platform, e2ee);
    /** @readonly */
    this.lines = new SendLines(platform, this.pc, e2ee);
    /** @readonly */
    this.path = new MediaPath(platform, this.pc, () => this.#queue.run(() => this.#exchange({ iceRestart: true })));
  }

  /**
   * The first offer: seats, and what we publish from the start. If the server refuses that, it may still seat us.
   * @param {number} seats
   * @param {Published[]} publications
   * @returns {Promise<boolean>} whether the publications were taken; if not, try them one by one
   */
  open(seats, publications) {
    return this.#queue.run(async () => {
      for (const publication of publications) this.lines.add(publication);
      this.seats.grow(this.pc, seats);
      try {
        await this.#exchange({ publications });
        return true;
      } catch (thrown) {
        const error = asEnfiladeError(thrown, 'negotiation-failed', 'The first offer failed.');
        if (publications.length === 0 || ['session-lost', 'left', 'negotiation-failed'].includes(error.code)) throw error;
        this.lines.drop(publications);
        await this.#exchange({});
        return false;
      }
    });
  }

  /**
   * Publishes together what belongs together (a screen and its sound), on free lines where there are some.
   * @param {Published[]} publications
   * @returns {Promise<void>}
   */
  publish(publications) {
    return this.#queue.run(async () => {
      /** @type {Published[]} */
      const fresh = [];
      for (const publication of publications) {
        if (publication.closed) continue;
        const line = await this.lines.reuse(publication);
        if (!line) {
          this.lines.add(publication);
          fresh.push(publication);
          continue;
        }
        try {
          const answer = await this.#session.request('publish', this.#wire(publication, line.mid));
          publication.assign(answer.publication);
        } catch (thrown) {
          await this.lines.free(publication);
          throw thrown;
        }
      }
      if (fresh.length === 0) return;
      try {
        await this.#exchange({ publications: fresh });
      } catch (thrown) {
        this.lines.drop(fresh);
        throw thrown;
      }
    });
  }

  /** @param {Published} publication */
  unpublish(publication) {
    return this.#queue.run(async () => {
      await this.lines.free(publication);
      if (publication.id !== null) await this.#session.request('unpublish', { publication: publication.id });
    });
  }

  /** @param {Published} publication whose track changed */
  replace(publication) {
    return this.#queue.run(() => this.lines.replace(publication));
  }

  /** @param {Published} publication of which more or less is wanted */
  fit(publication) {
    return this.#queue.run(() => this.lines.fit(publication));
  }

  /** @param {number} count pairs there should be */
  growSeats(count) {
    return this.#queue.run(async () => {
      const before = this.seats.count;
      if (count <= before) return;
      this.seats.grow(this.pc, count);
      try {
        await this.#exchange({});
      } catch (thrown) {
        this.seats.shrink(before);
        throw thrown;
      }
    });
  }

  /** Agrees on a data m-line, once there is a channel to carry. */
  ensureData() {
    return this.#queue.run(async () => {
      if (!/^m=application [1-9]/m.test(this.pc.localDescription?.sdp ?? '')) await this.#exchange({});
    });
  }

  /** @param {EnfiladeError} error what jobs under way reject with */
  close(error) {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.close(error);
    this.path.close();
    this.pc.close();
    this.#e2ee?.detach();
  }

  /** @param {Published} publication @param {string | null} mid */
  #wire(publication, mid) {
    return /** @type {import('./protocol.js').PublishLine} */ ({ ...publication.wire(), mid, ...(this.#e2ee ? { encrypted: true } : {}) });
  }

  /** @param {{publications?: Published[], iceRestart?: boolean}} what */
  async #exchange({ publications = [], iceRestart = false }) {
    const ask = async (/** @type {Record<string, unknown>} */ offer) =>
      /** @type {Answer} */ (/** @type {unknown} */ (await this.#session.request('offer', offer)));
    /** @type {Map<string, Published>} */
    const byMid = new Map();
    await exchange(this.pc, ask, {
      iceRestart,
      publish: () =>
        publications.map((publication) => {
          const mid = this.lines.of(publication)?.mid;
          if (!mid) throw new EnfiladeError('negotiation-failed', 'A new m-line has no mid.');
          byMid.set(mid, publication);
          return this.#wire(publication, mid);
        }),
      offered: (sdp) => this.#e2ee?.learn(sdp),
      answered: (answer) => {
        this.seats.setLines(answer.seats ?? []);
        for (const { mid, publication } of answer.publications ?? []) byMid.get(mid)?.assign(publication);
      },
    });
    this.#onSeats();
  }
}
