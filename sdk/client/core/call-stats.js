import { Stats, transportStats } from './stats.js';

/** @typedef {import('./participant.js').RemotePublication} RemotePublication */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./stats.js').StreamStats} StreamStats */
/** @typedef {import('./stats.js').TransportStats} TransportStats */

/**
 * @typedef {object} ServerSubscription what the server sends us of a publication, and why not more
 * @property {number} publication
 * @property {number | null} encoding which encoding, 0 the lowest; null: none
 * @property {number | null} [spatial] highest spatial layer
 * @property {number | null} [temporal] highest temporal layer
 * @property {number} bps bit/s that it is
 * @property {number} [wantedBps] bit/s that all we asked for would be
 * @property {string} reason "everything" or what keeps it down, e.g. "budget"
 * @property {string} [text] the same in a sentence
 *
 * @typedef {object} ServerStats what the server knows of our connection
 * @property {Record<string, any>} down from the server to us: `estimateBps`, `sentBps`, `loss`, `roundTripMs`, `queueDelayMs`, `limitedBy`
 * @property {Record<string, any>} up from us to the server
 * @property {ServerSubscription[]} subscriptions
 *
 * @typedef {object} ReceivedStats
 * @property {string} participant
 * @property {number} publication
 * @property {Source} source
 * @property {StreamStats | null} stream as our browser counts it; null while nothing flows
 * @property {ServerSubscription | null} server
 *
 * @typedef {object} SentStats
 * @property {Source} source
 * @property {StreamStats[]} encodings
 *
 * @typedef {object} CallStats everything about our connection at one moment
 * @property {number | null} quality 1 (bad) to 5 (excellent)
 * @property {TransportStats | null} transport
 * @property {ServerStats | null} server null where the server does not tell
 * @property {ReceivedStats[]} received
 * @property {SentStats[]} sent
 */

/** Brings together what browser and server know of a call. Remembers counters of the call before, for the rates. */
export class CallStatsReader {
  #room;
  #stats = new Stats();

  /** @param {import('./room.js').Room} room */
  constructor(room) {
    this.#room = room;
  }

  /**
   * @param {() => Promise<unknown>} ask the `stats` request
   * @returns {Promise<CallStats>}
   */
  async read(ask) {
    const room = this.#room;
    const pc = room.peerConnection;
    const server = /** @type {ServerStats | null} */ (await ask().catch(() => null));
    const publications = [...room.participants.values()].flatMap((who) => [...who.publications.values()]);
    const received = publications.map(async (publication) => {
      const track = publication.track;
      const [stream = null] = pc && track ? await this.#stats.ofTrack(pc, track) : [];
      const told = server?.subscriptions.find((s) => s.publication === publication.id) ?? null;
      return { participant: publication.participantId, publication: publication.id, source: publication.source, stream, server: told };
    });
    const sent = room.publications.map(async ({ source, track }) => ({ source, encodings: pc && track ? await this.#stats.ofTrack(pc, track) : [] }));
    return {
      quality: room.localParticipant?.quality ?? null,
      transport: pc ? await transportStats(pc) : null,
      server,
      received: await Promise.all(received),
      sent: await Promise.all(sent),
    };
  }
}
