/**
 * Runs in the browser: reads what a peer connection counts, once or all the time. Loaded as a module script.
 */

/** Counters of one received kind, summed over its streams: seats come and go. */
const RECEIVED = [
  'packetsReceived', 'packetsLost', 'packetsDiscarded', 'bytesReceived', 'headerBytesReceived', 'nackCount', 'pliCount', 'retransmittedPacketsReceived', 'fecPacketsReceived',
  'jitterBufferDelay', 'jitterBufferEmittedCount', 'framesReceived', 'framesDecoded', 'framesDropped', 'keyFramesDecoded', 'freezeCount', 'totalFreezesDuration', 'pauseCount',
  'totalSamplesReceived', 'concealedSamples', 'silentConcealedSamples', 'concealmentEvents',
];
const SENT = ['packetsSent', 'bytesSent', 'retransmittedPacketsSent', 'nackCount', 'pliCount', 'framesEncoded', 'keyFramesEncoded'];

/** What this browser does not count stays undefined: a figure must not take it for nothing. */
const summed = (keys) => Object.fromEntries(keys.map((key) => [key, undefined]));
const add = (sums, report) => {
  for (const key of Object.keys(sums)) if (report[key] !== undefined) sums[key] = (sums[key] ?? 0) + report[key];
};

const measure = {
  /** The peer connection to look at; a rejoin makes a new one. @type {() => RTCPeerConnection | null} */
  pc: () => window.call?.room?.peerConnection ?? null,
  samples: [],
  seen: new WeakMap(),
  /** @type {any} */ timer: null,

  async read() {
    const pc = measure.pc();
    const result = { at: Date.now(), connection: 0, audio: summed(RECEIVED), video: summed(RECEIVED), sent: { audio: summed(SENT), video: summed(SENT) }, height: 0 };
    if (!pc) return result;
    if (!measure.seen.has(pc)) measure.seen.set(pc, (measure.connections = (measure.connections ?? 0) + 1));
    result.connection = measure.seen.get(pc);
    const reports = await pc.getStats();
    result.at = Date.now();
    for (const report of reports.values()) {
      if (report.type === 'inbound-rtp') {
        add(result[report.kind], report);
        if (report.kind === 'video') result.height = Math.max(result.height, report.frameHeight ?? 0);
      } else if (report.type === 'outbound-rtp') add(result.sent[report.kind], report);
      else if (report.type === 'transport') {
        result.dtls = report.dtlsState;
        result.pairChanges = report.selectedCandidatePairChanges;
        result.rttMs = (reports.get(report.selectedCandidatePairId)?.currentRoundTripTime ?? 0) * 1000;
        result.protocol = reports.get(reports.get(report.selectedCandidatePairId)?.localCandidateId)?.protocol;
      }
    }
    result.state = window.call?.room?.state;
    result.media = window.call?.room?.mediaState;
    return result;
  },

  /** From now on remembers what the counters were, so often. */
  watch(everyMs = 50) {
    measure.samples = [];
    const tick = async () => {
      const begun = performance.now();
      measure.samples.push(await measure.read());
      if (measure.samples.length > 20_000) measure.samples.shift();
      measure.timer = setTimeout(tick, Math.max(10, everyMs - (performance.now() - begun)));
    };
    clearTimeout(measure.timer);
    measure.timer = setTimeout(tick, 0);
  },

  /** All samples since `watch`, or since a moment. */
  since: (at = 0) => measure.samples.filter((sample) => sample.at >= at),

  stop() {
    clearTimeout(measure.timer);
    return measure.samples;
  },

  /** Pictures and sound are played, as a person would have it. */
  show(track) {
    const element = document.createElement(track.kind);
    element.srcObject = new MediaStream([track]);
    element.muted = track.kind === 'video';
    element.autoplay = true;
    document.documentElement.append(element);
    void element.play().catch(() => {});
  },
};

window.measure = measure;
