import { call, sleep } from './call.js';
import { Load } from './capacity.js';
import { atLeast, atMost, below } from './figures.js';
import { Observation } from './observation.js';

/** @typedef {import('./run.js').Run} Run */
/** @typedef {[seconds: number, there: number, back?: number]} Step so long, with these capacities in Mbit/s; none is no limit */

/**
 * Scenarios of RFC 8867 between real browsers: towards a subscriber (down), where we estimate, and from a publisher (up), where the
 * browser does, by what we tell it. All eight run in virtual time, with an encoder of any rate (tests/networks). Here a subscriber
 * gets one of three layers, so that a rate between two of them cannot be reached.
 */
const DELAY_MS = 50;
const QUEUE_MS = 300;
/** RFC 8867 looks at rates up to this, in bit/s. */
const RATE_MAX = 1_500_000;
const TCP_PORT = 9000;

/** @param {any} plain @param {number | undefined} mbps */
const link = (plain, mbps) => ({ ...plain, delay_ms: DELAY_MS, rate_bps: mbps ? mbps * 1e6 : null, queue: { ms: QUEUE_MS, bytes: null } });

/**
 * Lets a call run over changing capacities. Answers with what was offered to the link there, what was received, and when each
 * step began.
 * @param {Run} run
 * @param {{direction: 'down' | 'up', steps: Step[], answers?: object, during?: (running: any, ms: number) => Promise<unknown>}} how
 */
async function over({ stage, matrix }, { direction, steps, answers, during = async () => {} }) {
  const plain = matrix.near.down;
  const path = ([, there, back]) => {
    const [forward, backward] = [link(plain, there), link(plain, back)];
    return direction === 'down' ? { down: forward, up: backward } : { up: forward, down: backward };
  };
  await stage.wire.set(path([0, 10, 10]));
  const running = await call(stage, { from: direction === 'down' ? 'near' : 'far', answers });
  const load = new Load(stage.wire, direction);
  const begun = [];
  try {
    await running.receiver.evaluate(() => window.measure.watch(100));
    const beside = during(running, 1000 * steps.reduce((sum, [seconds]) => sum + seconds, 0));
    for (const step of steps) {
      await stage.wire.set(path(step));
      begun.push(Date.now());
      await sleep(step[0] * 1000);
    }
    begun.push(Date.now());
    await beside;
    await load.stop();
    return { load, begun, seen: new Observation(await running.receiver.evaluate(() => window.measure.stop())) };
  } finally {
    await load.stop();
    await running.close();
  }
}

/** bit/s of media that arrived. @param {Observation} seen */
function received(seen, from, to) {
  const within = seen.samples.filter(({ at }) => at >= from && at <= to);
  const bytes = ({ audio, video }) => ['bytesReceived', 'headerBytesReceived'].reduce((sum, key) => sum + (audio[key] ?? 0) + (video[key] ?? 0), 0);
  return ((bytes(within.at(-1)) - bytes(within[0])) * 8000) / (within.at(-1).at - within[0].at);
}

/** 5.1: the capacity changes. @param {Run} run @param {'down' | 'up'} direction */
async function variable(run, direction) {
  const { figures } = run;
  const { load, begun, seen } = await over(run, { direction, steps: [[40, 1], [20, 2.5], [20, 0.6], [20, 1]] });
  const name = `rfc8867-5.1/${direction}`;
  figures.add(`${name}/rate-after-drop`, load.rate(begun[2] + 5000, begun[3]) / 0.6e6, 'of capacity', atMost(1));
  figures.add(`${name}/queue-p95-after-drop`, load.queueP95Ms(begun[2] + 5000, begun[3]), 'ms', below(300));
  // The browser's own rise is measured, and not promised: see n5-up.
  figures.add(`${name}/rise-time`, load.reachedAfter(0.7 * RATE_MAX, begun[1], begun[2]), 's', direction === 'down' ? atMost(10) : undefined);
  figures.add(`${name}/audio-concealed`, seen.concealed, 'of samples', below(0.01));
  figures.add(`${name}/freezes`, seen.freezes, '');
}

/** 5.3: feedback meets a congested path, because video goes there too. @param {Run} run */
async function congestedFeedback(run) {
  const rates = [];
  for (const congested of [false, true]) {
    const back = (mbps) => (congested ? mbps : undefined);
    /** @type {Step[]} */
    const steps = [[20, 2, back(2)], [15, 1, back(2)], [5, 1, back(0.8)], [20, 0.5, back(0.8)], [10, 2, back(0.8)], [30, 2, back(2)]];
    const { begun, seen } = await over(run, { direction: 'down', steps, answers: congested ? { width: 1280, height: 720 } : undefined });
    rates.push(received(seen, begun[0] + 5000, begun.at(-1)));
    run.figures.add(`rfc8867-5.3/${congested ? 'congested' : 'clean'}/rate`, rates.at(-1) / 1000, 'kbit/s');
    run.figures.add(`rfc8867-5.3/${congested ? 'congested' : 'clean'}/freezes`, seen.freezes, '');
  }
  run.figures.add('rfc8867-5.3/rate-with-congested-feedback', rates[1] / rates[0], 'of that with clean', atLeast(0.8));
}

/** 5.6: a download beside the call. @param {Run} run @param {'down' | 'up'} direction */
async function longTcp(run, direction) {
  const { stage, figures } = run;
  const [source, sink] = direction === 'down' ? /** @type {const} */ (['near', 'far']) : /** @type {const} */ (['far', 'near']);
  const during = async (_running, ms) => {
    await sleep(5000);
    const seconds = String(ms / 1000 - 5);
    const listens = `require('net').createServer((socket) => socket.resume().on('error', () => {})).listen(${TCP_PORT})`;
    const sends = `const socket = require('net').connect(${TCP_PORT}, '${stage.wire[sink].address}'); const block = Buffer.alloc(1 << 16);
      const fill = () => { while (socket.write(block)); }; socket.on('connect', fill).on('drain', fill).on('error', () => {})`;
    // Both are ended by their time, which is no failure.
    const listening = stage.inside(sink, ['timeout', seconds, process.execPath, '-e', listens]).catch(() => {});
    await sleep(500);
    await stage.inside(source, ['timeout', seconds, process.execPath, '-e', sends]).catch(() => {});
    await listening;
  };
  const { begun, seen } = await over(run, { direction, steps: [[120, 2]], during });
  const name = `rfc8867-5.6/${direction}`;
  const seconds = Array.from({ length: 100 }, (_, i) => received(seen, begun[0] + 10_000 + 1000 * i, begun[0] + 12_000 + 1000 * i));
  figures.add(`${name}/least-rate`, Math.min(...seconds) / 1000, 'kbit/s', atLeast(100));
  figures.add(`${name}/share`, received(seen, begun[0] + 20_000, begun[1]) / 2e6, 'of capacity');
  figures.add(`${name}/audio-lost`, seen.audio('packetsLost') / (seen.audio('packetsLost') + seen.audio('packetsReceived')), 'of packets');
  figures.add(`${name}/audio-concealed`, seen.concealed, 'of samples', below(0.05));
  figures.add(`${name}/freezes`, seen.freezes, '');
}

export const cases = [
  ...(/** @type {const} */ (['down', 'up']).map((direction) => ({
    id: `rfc8867-5.1-${direction}`,
    what: `RFC 8867 5.1, capacity 1, 2.5, 0.6, 1 Mbit/s ${direction === 'down' ? 'towards the subscriber' : 'from the publisher'}`,
    run: (/** @type {Run} */ run) => variable(run, direction),
  }))),
  { id: 'rfc8867-5.3', what: 'RFC 8867 5.3, both ways congested', run: congestedFeedback },
  ...(/** @type {const} */ (['down', 'up']).map((direction) => ({
    id: `rfc8867-5.6-${direction}`,
    what: `RFC 8867 5.6, a long TCP flow beside the call ${direction === 'down' ? 'towards the subscriber' : 'from the publisher'}`,
    run: (/** @type {Run} */ run) => longTcp(run, direction),
  }))),
];
