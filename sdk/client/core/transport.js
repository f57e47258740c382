import { asEnfiladeError, EnfiladeError } from './errors.js';
import { SendLines } from './lines.js';
import { MediaPath } from './media-path.js';
import { exchange, NegotiationQueue } from './negotiation.js';
import { Seats } from './seats.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Answer} Answer */
/** @typedef {import('./lines.js').Published} Published */
/** @typedef {import('./session.js').Session} Session */

/** @typedef {{iceServers?: RTCIceServer[], iceServersTtlMs?: number}} IceServers */

/** What of their time is used up when credentials are renewed. */
const RENEW_AFTER = 0.75;

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
  #platform;
  #config;
  /** When the credentials of the ICE servers are to be renewed. @type {number} */
  #freshUntil = Infinity;
  /** @type {unknown} */
  #renewal = null;

  /**
   * @param {Platform} platform
   * @param {Session} session
   * @param {IceServers} ice
   * @param {() => void} onSeats called when seats got their lines
   * @param {import('./e2ee.js').E2ee | null} [e2ee]
   */
  constructor(platform, session, ice, onSeats, e2ee = null) {
    this.#platform = platform;
    this.#session = session;
    this.#config = /** @type {RTCConfiguration} */ ({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', ...e2ee?.config });
    this.#onSeats = onSeats;
    this.#e2ee = e2ee;
    /** @readonly */
    this.pc = platform.createPeerConnection({ ...this.#config, iceServers: ice.iceServers ?? [] });
    /** @readonly */
    this.seats = new Seats(platform, e2ee);
    /** @readonly */
    this.lines = new SendLines(platform, this.pc, e2ee);
    /** @readonly */
    this.path = new MediaPath(platform, this.pc, () => this.#restart(), () => session.ready());
    this.#keepFresh(ice);
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

  async #restart() {
    if (this.#platform.now() >= this.#freshUntil) await this.#renew();
    await this.#queue.run(() => this.#exchange({ iceRestart: true }));
  }

  /**
   * Credentials of TURN servers are good for a while only. They are renewed before that is over: the browser may gather anew
   * by itself at any time.
   * @param {IceServers} ice
   */
  #keepFresh({ iceServers, iceServersTtlMs }) {
    if (!iceServers?.length || !iceServersTtlMs) return;
    const ms = iceServersTtlMs * RENEW_AFTER;
    this.#freshUntil = this.#platform.now() + ms;
    this.#platform.clearTimeout(this.#renewal);
    this.#renewal = this.#platform.setTimeout(() => void this.#renew(), ms);
  }

  async #renew() {
    try {
      const ice = /** @type {IceServers} */ (/** @type {unknown} */ (await this.#session.request('ice.servers')));
      if (this.#closed) return;
      this.pc.setConfiguration({ ...this.#config, iceServers: ice.iceServers ?? [] });
      this.#keepFresh(ice);
    } catch {
      // An older browser, or a session that is over: the credentials there are may do, and relays are the last resort anyway.
    }
  }

  /** @param {EnfiladeError} error what jobs under way reject with */
  close(error) {
    if (this.#closed) return;
    this.#closed = true;
    this.#platform.clearTimeout(this.#renewal);
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
    const ask = async (/** @type {{sdp: string, publish: unknown}} */ { sdp, publish }) => {
      const { packing } = this.#platform;
      const sdpDeflate = packing ? await packing.pack(sdp) : null;
      const plain = () => this.#session.request('offer', { sdp, publish });
      // A server from before it could be packed misses `sdp`.
      const packed = () => this.#session.request('offer', { sdpDeflate, publish }).catch((error) => (error.code === 'missing-field' ? plain() : Promise.reject(error)));
      const answer = /** @type {Answer} */ (/** @type {unknown} */ (await (sdpDeflate ? packed() : plain())));
      return packing && answer.sdpDeflate ? { ...answer, sdp: await packing.unpack(answer.sdpDeflate) } : answer;
    };
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
