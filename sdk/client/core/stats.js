/**
 * @typedef {object} StreamStats of one encoding at one moment; null: unknown
 * @property {string | null} rid of the encoding, for several of our own
 * @property {number | null} bitrate kbit/s since the call before; null the first time
 * @property {number | null} rtt ms to the server and back
 * @property {number | null} jitter ms
 * @property {number | null} packetsLost
 * @property {number | null} totalPackets
 * @property {number | null} concealmentEvents gaps in the sound that were papered over
 * @property {string | null} codec e.g. "video/VP8"
 * @property {string | null} network e.g. "wifi", where the browser tells
 * @property {string | null} limitation of our own: "none", "cpu", "bandwidth" or "other"
 * @property {{width: number | null, height: number | null, framerate: number | null} | null} size pixels; null for sound
 * @property {number | null} currentSpatialLayer which encoding we get, 0 the lowest
 * @property {number | null} preferredSpatialLayer which one we asked for at most
 *
 * @typedef {object} TransportStats
 * @property {number | null} rtt ms
 * @property {number | null} availableOutgoingBitrate kbit/s
 * @property {number | null} availableIncomingBitrate kbit/s
 * @property {number} bytesSent
 * @property {number} bytesReceived
 * @property {string | null} localCandidateType "host", "srflx", "prflx" or "relay"
 * @property {string | null} remoteCandidateType
 * @property {string | null} protocol "udp" or "tcp"
 * @property {string | null} dtlsState
 * @property {string | null} srtpCipher
 */

/** @typedef {Record<string, any>} Report */

/** Reads what the browser counts, and remembers the counters of the call before for the rates. */
export class Stats {
  /** @type {WeakMap<MediaStreamTrack, Map<string, {bytes: number, atMs: number}>>} */
  #before = new WeakMap();

  /**
   * @param {RTCPeerConnection} pc
   * @param {MediaStreamTrack} track
   * @param {{current?: number | null, preferred?: number | null}} [layers]
   * @returns {Promise<StreamStats[]>} one for each encoding; empty while nothing flows
   */
  async ofTrack(pc, track, { current = null, preferred = null } = {}) {
    /** @type {Map<string, Report>} */
    const all = new Map((await Promise.all(waysOf(pc, track).map(async (way) => [...(await way.getStats()).entries()]))).flat());
    const pair = activePair(all);
    const local = pair && all.get(pair.localCandidateId);
    const before = this.#before.get(track) ?? new Map();
    /** @type {Map<string, {bytes: number, atMs: number}>} */
    const now = new Map();
    const list = [];
    for (const report of all.values()) {
      if (report.type !== 'inbound-rtp' && report.type !== 'outbound-rtp') continue;
      const inbound = report.type === 'inbound-rtp';
      const far = inbound ? null : all.get(report.remoteId);
      const bytes = (inbound ? report.bytesReceived : report.bytesSent) ?? 0;
      const last = before.get(report.id);
      now.set(report.id, { bytes, atMs: report.timestamp });
      list.push({
        rid: report.rid ?? null,
        bitrate: last && report.timestamp > last.atMs ? Math.round(((bytes - last.bytes) * 8) / (report.timestamp - last.atMs)) : null,
        rtt: ms(far?.roundTripTime ?? pair?.currentRoundTripTime),
        jitter: ms(inbound ? report.jitter : far?.jitter),
        packetsLost: (inbound ? report.packetsLost : far?.packetsLost) ?? null,
        totalPackets: (inbound ? report.packetsReceived : report.packetsSent) ?? null,
        concealmentEvents: report.concealmentEvents ?? null,
        codec: all.get(report.codecId)?.mimeType ?? null,
        network: local?.networkType ?? null,
        limitation: report.qualityLimitationReason ?? null,
        size: report.kind === 'video' ? { width: report.frameWidth ?? null, height: report.frameHeight ?? null, framerate: report.framesPerSecond ?? null } : null,
        currentSpatialLayer: current,
        preferredSpatialLayer: preferred,
      });
    }
    this.#before.set(track, now);
    return list;
  }
}

/**
 * What carries a track. `pc.getStats(track)` rejects where that is not exactly one: a backup is a second sender of the same track, and a
 * track that nobody hears has none.
 * @param {RTCPeerConnection} pc
 * @param {MediaStreamTrack} track
 */
function waysOf(pc, track) {
  const senders = pc.getSenders().filter((sender) => sender.track === track);
  return senders.length > 0 ? senders : pc.getReceivers().filter((receiver) => receiver.track === track);
}

/**
 * @param {RTCPeerConnection} pc
 * @returns {Promise<TransportStats | null>} null while there is no way to the server
 */
export async function transportStats(pc) {
  /** @type {Map<string, Report>} */
  const all = new Map(/** @type {any} */ (await pc.getStats()));
  const pair = activePair(all);
  if (!pair) return null;
  const transport = [...all.values()].find((r) => r.type === 'transport');
  const local = all.get(pair.localCandidateId);
  return {
    rtt: ms(pair.currentRoundTripTime),
    availableOutgoingBitrate: kilo(pair.availableOutgoingBitrate),
    availableIncomingBitrate: kilo(pair.availableIncomingBitrate),
    bytesSent: pair.bytesSent ?? 0,
    bytesReceived: pair.bytesReceived ?? 0,
    localCandidateType: local?.candidateType ?? null,
    remoteCandidateType: all.get(pair.remoteCandidateId)?.candidateType ?? null,
    protocol: local?.protocol ?? null,
    dtlsState: transport?.dtlsState ?? null,
    srtpCipher: transport?.srtpCipher ?? null,
  };
}

/** @param {Map<string, Report>} all @returns {Report | null} */
function activePair(all) {
  const chosen = [...all.values()].find((r) => r.type === 'transport' && r.selectedCandidatePairId)?.selectedCandidatePairId;
  return all.get(chosen) ?? [...all.values()].find((r) => r.type === 'candidate-pair' && (r.selected || (r.nominated && r.state === 'succeeded'))) ?? null;
}

/** @param {number | undefined} seconds */
const ms = (seconds) => (seconds === undefined ? null : Math.round(seconds * 1000));
/** @param {number | undefined} bits */
const kilo = (bits) => (bits === undefined ? null : Math.round(bits / 1000));
