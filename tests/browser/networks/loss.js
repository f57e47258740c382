import { call, directCall, underway } from './call.js';
import { atMost, below, exactly } from './figures.js';

/** @typedef {import('./run.js').Run} Run */

/** N1: at this loss so much of the sound may be concealed, and so often may the picture freeze. */
const N1 = [
  { percent: 1, concealed: 0.01, freezesPerMinute: 0 },
  { percent: 5, concealed: 0.03, freezesPerMinute: 0 },
  { percent: 10, concealed: 0.06, freezesPerMinute: 1 },
  { percent: 20, concealed: 0.15, freezesPerMinute: null },
];
/** The estimates and jitter buffers of both ends get used to a path before they are looked at. */
const SETTLE_MS = 5000;
/** What getStats every 50 ms cannot see. */
const COARSE_MS = 50;

/** What is told of every case. @param {Run} run @param {string} name @param {import('./observation.js').Observation} seen */
function context({ figures }, name, seen) {
  figures.add(`${name}/freezes-per-minute`, seen.freezesPerMinute, '1/min');
  figures.add(`${name}/frozen`, seen.frozen, 'of time');
  figures.add(`${name}/frame-rate`, seen.fps, '1/s');
  figures.add(`${name}/video-rate`, seen.videoKbps, 'kbit/s');
  figures.add(`${name}/packets-missing`, seen.lost, 'of packets');
  figures.add(`${name}/nacks`, seen.video('nackCount') / seen.seconds, '1/s');
  figures.add(`${name}/video-buffer`, seen.jitterBufferMs, 'ms');
  figures.add(`${name}/height`, seen.last.height, 'px');
}

/** @param {Run} run @param {typeof N1[number]} line @param {{from?: 'near' | 'far', direct?: boolean}} how */
async function randomLoss(run, line, { from = 'near', direct = false }) {
  const { stage, figures, matrix, ms } = run;
  await stage.wire.set(matrix.near);
  const path = matrix.n1[N1.indexOf(line)];
  const running = direct ? await directCall(stage) : await call(stage, { from });
  try {
    const seen = await underway(stage, running, from === 'near' ? path : { up: path.down, down: path.up }, { settleMs: SETTLE_MS, ms });
    const name = `n1/${direct ? 'direct' : from === 'near' ? 'down' : 'up'}-${line.percent}`;
    // A direct call is the yardstick, and has no goal.
    figures.add(`${name}/audio-concealed`, seen.concealed, 'of samples', direct ? undefined : below(line.concealed));
    const freezes = line.freezesPerMinute === null || direct ? undefined : atMost(Math.ceil((line.freezesPerMinute * ms) / 60_000));
    figures.add(`${name}/freezes`, seen.freezes, '', freezes);
    context(run, name, seen);
  } finally {
    await running.close();
  }
}

/** @param {Run} run @param {'near' | 'far'} from */
async function bursts({ stage, figures, matrix, ms, ...run }, from) {
  await stage.wire.set(matrix.near);
  const { up, down } = matrix.n2;
  const running = await call(stage, { from });
  try {
    const seen = await underway(stage, running, from === 'near' ? { up, down } : { up: down, down: up }, { settleMs: SETTLE_MS, ms, everyMs: COARSE_MS });
    const name = `n2/${from === 'near' ? 'down' : 'up'}`;
    figures.add(`${name}/longest-freeze`, seen.longestFreezeMs, 'ms', atMost(500));
    const rttMs = up.delay_ms + down.delay_ms;
    // A wait ends when the next look sees the picture decoded.
    const waits = seen.keyframeWaitsMs;
    figures.add(`${name}/keyframes-asked`, waits.length, '');
    figures.add(`${name}/longest-wait-for-keyframe`, Math.max(0, ...waits), 'ms', atMost(rttMs + 300 + COARSE_MS));
    figures.add(`${name}/audio-concealed`, seen.concealed, 'of samples');
    context({ figures, ...run }, name, seen);
  } finally {
    await running.close();
  }
}

/** What Chromium makes of disorder is its own affair; what we make of it shows when it sends. @param {Run} run */
async function disorder({ stage, figures, matrix, ms, ...run }) {
  for (const from of /** @type {const} */ (['near', 'far'])) {
    await stage.wire.set(matrix.near);
    const running = await call(stage, { from });
    try {
      await stage.wire.set(matrix.n3);
      const before = await running.sender.evaluate(() => window.measure.read());
      const seen = await underway(stage, running, matrix.n3, { settleMs: SETTLE_MS, ms });
      const after = await running.sender.evaluate(() => window.measure.read());
      const name = `n3/${from === 'near' ? 'down' : 'up'}`;
      const sum = (key) => ['video', 'audio'].reduce((total, kind) => total + (after.sent[kind][key] ?? 0) - (before.sent[kind][key] ?? 0), 0);
      if (from === 'far') {
        // Nothing is lost on this path: whatever was sent again was asked for in vain.
        figures.add(`${name}/false-nacks`, sum('retransmittedPacketsSent') / sum('packetsSent'), 'of packets', below(0.01));
        // A duplicate that reaches a receiver makes its count of lost packets negative (RFC 3550 section 6.4.1).
        figures.add(`${name}/duplicates-forwarded`, Math.max(0, -seen.video('packetsLost')) + Math.max(0, -seen.audio('packetsLost')), 'packets', exactly(0));
      }
      figures.add(`${name}/audio-concealed`, seen.concealed, 'of samples');
      context({ figures, ...run }, name, seen);
    } finally {
      await running.close();
    }
  }
}

export const cases = [
  ...N1.flatMap((line) => [
    { id: `n1-down-${line.percent}`, what: `${line.percent} % random loss towards the subscriber`, short: line.percent === 5, run: (run) => randomLoss(run, line, {}) },
    { id: `n1-direct-${line.percent}`, what: `${line.percent} % random loss, browser to browser`, firefox: line.percent === 5, run: (run) => randomLoss(run, line, { direct: true }) },
    { id: `n1-up-${line.percent}`, what: `${line.percent} % random loss from the publisher`, run: (run) => randomLoss(run, line, { from: 'far' }) },
  ]),
  { id: 'n2-down', what: 'bursts of loss towards the subscriber', run: (run) => bursts(run, 'near') },
  { id: 'n2-up', what: 'bursts of loss from the publisher', run: (run) => bursts(run, 'far') },
  { id: 'n3', what: 'jitter, reordering and duplicates', run: disorder },
];
