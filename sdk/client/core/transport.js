import { asEnfiladeError, EnfiladeError } from './errors.js';
import { SendLines } from './lines.js';
import { MediaPath } from './media-path.js';
import { exchange, NegotiationQueue } from './negotiation.js';
import { Seats } from './seats.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Answer} Answer */
/** @typedef {import('./publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./session.js').Session} Session */

/**
 * One peer connection with what hangs on it: the queue, our sending lines, the seats, the path. It lives as long as its
 * session; after a fresh join there is a new one.
 */
export class Transport {
  #session;
  #queue = new NegotiationQueue();
  #closed = false;
  #onSeats;

  /**
   * @param {Platform} platform
   * @param {Session} session
   * @param {RTCIceServer[]} iceServers
   * @param {() => void} onSeats called when seats got their lines
   */
  constructor(platform, session, iceServers, onSeats) {
    this.#session = session;
    this.#onSeats = onSeats;
    /** @readonly */
    this.pc = platform.createPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers });
    /** @readonly */
    this.seats = new Seats(platform);
    /** @readonly */
    this.lines = new SendLines(platform, this.pc);
    /** @readonly */
    this.path = new MediaPath(platform, this.pc, () => this.#queue.run(() => this.#exchange({ iceRestart: true })));
  }

  /**
   * The first offer: seats, and what we publish from the start. If the server refuses that, it may still seat us.
   * @param {number} seats
   * @param {LocalPublication[]} publications
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
   * @param {LocalPublication[]} publications
   * @returns {Promise<void>}
   */
  publish(publications) {
    return this.#queue.run(async () => {
      /** @type {LocalPublication[]} */
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
          const answer = await this.#session.request('publish', { ...publication.wire(), mid: line.mid });
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

  /** @param {LocalPublication} publication */
  unpublish(publication) {
    return this.#queue.run(async () => {
      await this.lines.free(publication);
      if (publication.id !== null) await this.#session.request('unpublish', { publication: publication.id });
    });
  }

  /** @param {LocalPublication} publication whose track changed */
  replace(publication) {
    return this.#queue.run(() => this.lines.replace(publication));
  }

  /** @param {LocalPublication} publication of which more or less is wanted */
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
  }

  /** @param {{publications?: LocalPublication[], iceRestart?: boolean}} what */
  async #exchange({ publications = [], iceRestart = false }) {
    const ask = async (/** @type {Record<string, unknown>} */ offer) =>
      /** @type {Answer} */ (/** @type {unknown} */ (await this.#session.request('offer', offer)));
    /** @type {Map<string, LocalPublication>} */
    const byMid = new Map();
    await exchange(this.pc, ask, {
      iceRestart,
      publish: () =>
        publications.map((publication) => {
          const mid = this.lines.of(publication)?.mid;
          if (!mid) throw new EnfiladeError('negotiation-failed', 'A new m-line has no mid.');
          byMid.set(mid, publication);
          return { ...publication.wire(), mid };
        }),
      answered: (answer) => {
        this.seats.setLines(answer.seats ?? []);
        for (const { mid, publication } of answer.publications ?? []) byMid.get(mid)?.assign(publication);
      },
    });
    this.#onSeats();
  }
}
