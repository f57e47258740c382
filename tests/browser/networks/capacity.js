import { call, directCall, sleep } from './call.js';
import { atMost, below } from './figures.js';
import { Observation } from './observation.js';

/** @typedef {import('./run.js').Run} Run */

/** RFC 8867 looks at rates up to this, in bit/s; and what the publisher had before the drop is all that can come back. */
const RATE_MAX = 1_500_000;
const LOOK_MS = 100;

/** What a call without a server took, in s, once measured. @type {number | undefined} */
let directRise;

/** What is offered to a narrow link, over time. */
export class Load {
  samples = [];
  #on = true;

  /** @param {import('./wire.js').Wire} wire @param {'up' | 'down'} direction */
  constructor(wire, direction) {
    this.done = (async () => {
      while (this.#on) {
        const { [direction]: link } = await wire.stats();
        this.samples.push({ at: Date.now(), bits: link.offered_bytes * 8, queueMs: link.queue_ms });
        await sleep(LOOK_MS);
      }
    })();
  }

  stop() {
    this.#on = false;
    return this.done;
  }

  #between(from, to) {
    return this.samples.filter(({ at }) => at >= from && at <= to);
  }

  /** bit/s */
  rate(from, to) {
    const within = this.#between(from, to);
    return ((within.at(-1).bits - within[0].bits) * 1000) / (within.at(-1).at - within[0].at);
  }

  queueP95Ms(from, to) {
    const sorted = this.#between(from, to).map(({ queueMs }) => queueMs).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.95)];
  }

  /** The end of the first two seconds of at least this rate, in s from the start. */
  reachedAfter(rate, from, to) {
    for (let end = from + 2000; end <= to; end += LOOK_MS) if (this.rate(end - 2000, end) >= rate) return (end - from) / 1000;
    return undefined;
  }
}

/**
 * N5: the line of RFC 8867 5.1 on a capacity that falls to a tenth and comes back.
 * @param {Run} run
 * @param {{from?: 'near' | 'far', direct?: boolean}} how a direct call is the yardstick, and has no goal
 */
async function steps({ stage, figures, matrix, short }, { from = 'near', direct = false }) {
  const direction = from === 'near' ? 'down' : 'up';
  const turned = ({ up, down }) => (from === 'near' ? { up, down } : { up: down, down: up });
  const name = `n5/${direct ? 'direct' : direction}`;
  const goal = (/** @type {import('./figures.js').Goal} */ wanted) => (direct ? undefined : wanted);
  await stage.wire.set(matrix.near);
  const running = direct ? await directCall(stage) : await call(stage, { from });
  const load = new Load(stage.wire, direction);
  try {
    await running.receiver.evaluate(() => window.measure.watch(100));
    const begun = Date.now();
    // Long enough at the end to learn how long the rise takes, not only that it takes too long.
    const lengths = short ? [8000, 12_000, 12_000] : [20_000, 20_000, 40_000];
    for (const [i, ms] of lengths.entries()) {
      await stage.wire.set(turned(matrix.n5[i]));
      await sleep(ms);
    }
    await load.stop();
    const seen = new Observation(await running.receiver.evaluate(() => window.measure.stop()));
    const dropped = begun + lengths[0];
    const rose = dropped + lengths[1];
    const low = matrix.n5[1].down.rate_bps;
    const before = load.rate(dropped - 4000, dropped);
    const target = Math.min(matrix.n5[2].down.rate_bps, RATE_MAX, before);
    figures.add(`${name}/rate-before`, before / 1000, 'kbit/s');
    figures.add(`${name}/rate-after-drop`, load.rate(dropped + 5000, rose) / low, 'of capacity', goal(atMost(1)));
    figures.add(`${name}/queue-after-drop`, load.queueP95Ms(dropped + 5000, rose), 'ms', goal(below(300)));
    const rise = load.reachedAfter(0.7 * target, rose, rose + lengths[2]);
    if (direct) directRise = rise;
    // Upwards the browser estimates: it can be asked to be no slower than towards another browser, where that was measured.
    figures.add(`${name}/rise-time`, rise, 's', from === 'near' ? goal(atMost(10)) : directRise && atMost(Math.max(10, directRise)));
    figures.add(`${name}/audio-concealed`, seen.concealed, 'of samples', goal(below(0.01)));
    figures.add(`${name}/longest-audio-gap`, seen.longestGapMs('audio'), 'ms');
    figures.add(`${name}/freezes`, seen.freezes, '');
    figures.add(`${name}/longest-freeze`, seen.longestFreezeMs, 'ms');
  } finally {
    await load.stop();
    await running.close();
  }
}

export const cases = [
  { id: 'n5-down', what: 'capacity towards the subscriber 3 Mbit/s, 300 kbit/s, 3 Mbit/s', short: true, run: (run) => steps(run, {}) },
  { id: 'n5-direct', what: 'the same capacity, browser to browser', run: (run) => steps(run, { direct: true }) },
  { id: 'n5-up', what: 'capacity from the publisher 3 Mbit/s, 300 kbit/s, 3 Mbit/s', run: (run) => steps(run, { from: 'far' }) },
];
