import { readFileSync } from 'node:fs';
import { LAUNCH } from '../support/browsers.js';
import { Caller, until } from '../support/caller.js';
import { median } from '../support/figures.js';
import { startServer } from '../support/server.js';
import { sleep } from './call.js';
import { atLeast, exactly, Figures } from './figures.js';
import { Observation } from './observation.js';

const measuring = readFileSync(new URL('./in-page.js', import.meta.url), 'utf8');
/** How long a subscriber keeps a quality before it asks for the other one. */
const EVERY_MS = 2000;
/** Until the publisher sends all encodings at their rates and the jitter buffers have settled. */
const SETTLE_MS = 8000;
/** What getStats every 50 ms cannot see. */
const COARSE_MS = 50;
/** A receiver says of a picture that it stood still when the next one is there: it did so within this time. */
const FREEZE_WITHIN_MS = 1000;
/** Who has not encoded a picture for so long is itself what made the others' stand still. */
const STALLED_MS = 200;
/** Of the switches asked for, so many must show in the size of the picture: one that takes longer than the next is not seen. */
const SEEN = 0.9;

/**
 * Cameras large enough for two encodings, and small enough for one encoder in software to keep pace: a machine that is busy
 * freezes the picture itself.
 */
const CAMERAS = {
  vp8: { width: 640, height: 360 },
  h264: { width: 640, height: 360 },
  vp9: { width: 640, height: 360 },
  av1: { width: 480, height: 270, frameRate: 15 },
};

/** @typedef {keyof typeof CAMERAS} Codec */
/** @typedef {'chromium' | 'firefox'} Browser */
/** @typedef {{at: number, height: number}} Wish when somebody asked for a picture, and how high */

/** @param {Caller} caller @param {'RTCRtpSender' | 'RTCRtpReceiver'} side @param {Codec} codec */
const knows = (caller, side, codec) =>
  caller.page.evaluate((of, name) => window[of].getCapabilities('video').codecs.some((c) => c.mimeType.toLowerCase() === `video/${name}`), side, codec);

/** @param {import('puppeteer-core').Browser} browser @param {string} url @param {string} name */
async function opened(browser, url, name) {
  const caller = await Caller.open(browser, url, name);
  await caller.page.addScriptTag({ type: 'module', content: measuring });
  await caller.page.waitForFunction(() => 'measure' in window, { polling: 50 });
  return caller;
}

/** Asks for the lowest and the best encoding in turn; the last wish has its time too. @param {Caller} bob @param {number} best height */
async function switching(bob, best, ms) {
  /** @type {Wish[]} */
  const wishes = [];
  const begun = Date.now();
  for (let due = 0; due + EVERY_MS <= ms; due += EVERY_MS) {
    await sleep(begun + due - Date.now());
    const low = wishes.length % 2 === 0;
    wishes.push({ at: Date.now(), height: low ? best / 2 : best });
    await bob.subscribe('Ann', 'camera', { quality: low ? 'low' : 'high' });
  }
  return wishes;
}

/** @param {Observation} seen @param {Wish[]} wishes */
function waits(seen, wishes) {
  return wishes.map(({ at, height }, i) => {
    const wait = seen.heightAfterMs(at, height) ?? Infinity;
    return Math.min(wait, (wishes[i + 1]?.at ?? seen.last.at) - at);
  });
}

/**
 * One camera with two encodings and subscribers that keep switching between them, each with a browser of its own. Nothing is
 * lost on this machine: whatever freezes or cannot be decoded was switched wrongly.
 * @param {Figures} figures
 * @param {Codec} codec
 * @param {{ms: number, stillMs: number, log: (words: string) => void}} times stillMs: how long they do not switch before
 */
export async function soak(figures, codec, { ms, stillMs, log }) {
  /** @type {(() => Promise<unknown>)[]} */
  const endings = [];
  try {
    const server = await startServer();
    endings.push(() => server.stop());
    const launched = async (/** @type {Browser} */ browser) => {
      const running = await LAUNCH[browser]();
      endings.push(() => running.close());
      return running;
    };
    // All of it starts before anybody calls: what starts beside a call disturbs it for long.
    const publisher = await launched('chromium');
    const bobs = await Promise.all(
      /** @type {Browser[]} */ (['chromium', 'firefox']).map(async (browser) => ({ browser, bob: await opened(await launched(browser), server.url, browser) })),
    );
    const ann = await opened(publisher, server.url, 'Ann');
    if (!(await knows(ann, 'RTCRtpSender', codec))) return log(`layers/${codec}: not supported by the publisher`);
    /** @type {typeof bobs} */
    const viewers = [];
    for (const viewer of bobs) {
      if (await knows(viewer.bob, 'RTCRtpReceiver', codec)) viewers.push(viewer);
      else log(`layers/${codec}/${viewer.browser}: not supported`);
    }
    const camera = CAMERAS[codec];
    await ann.join({ room: 'layers', camera: { ...camera, publish: { codec } } });
    for (const { bob } of viewers) {
      await bob.join({ room: 'layers' });
      await bob.sees('Ann');
      await bob.subscribe('Ann', 'camera', { quality: 'high' });
    }
    for (const { bob } of viewers) {
      const whole = (stats) => stats?.frameHeight === camera.height && stats.codec.toLowerCase() === `video/${codec}`;
      await until(`${bob.name} gets all of it, in ${codec}`, () => bob.ask('stats', 'Ann', 'camera'), whole, 40_000);
    }
    await sleep(SETTLE_MS);
    const still = await Promise.all(viewers.map(({ bob }) => Observation.of(bob.page, stillMs, COARSE_MS)));
    const sending = Observation.of(ann.page, ms, COARSE_MS);
    const switched = await Promise.all(
      viewers.map(async ({ bob }) => {
        const observed = Observation.of(bob.page, ms, COARSE_MS);
        const wishes = await switching(bob, camera.height, ms);
        return { seen: await observed, wishes };
      }),
    );
    const sent = await sending;
    figures.add(`${codec}/longest-gap-sent`, sent.longestGapSentMs(), 'ms');
    for (const [i, { browser }] of viewers.entries()) {
      const name = `${codec}/${browser}`;
      const { seen, wishes } = switched[i];
      const tell = (figure, value, unit, goal) => figures.add(`${name}/${figure}`, value, unit, goal);
      // What the machine does to a picture that nobody switches.
      tell('freezes-without', still[i].freezes, '');
      tell('longest-gap-without', still[i].longestGapMs('video'), 'ms');
      tell('freezes', seen.freezes, '', exactly(0));
      const gaps = seen.freezeMoments.map((at) => {
        const gapMs = sent.longestGapSentMs({ before: at, ms: FREEZE_WITHIN_MS });
        const wish = wishes.findLast((one) => one.at <= at);
        log(`layers/${name}: a freeze ended ${wish ? at - wish.at : '?'} ms after the last wish, for ${wish?.height}; the sender had a gap of ${gapMs} ms`);
        return gapMs;
      });
      tell('freezes-while-sent', gaps.filter((ms) => ms < STALLED_MS).length, '', exactly(0));
      // A decoder that cannot go on asks for a keyframe. The server asks for those of a switch itself, so there is nothing else to ask for.
      tell('decoder-errors', seen.video('pliCount'), '', exactly(0));
      tell('switches', seen.heightChanges, '', atLeast(Math.floor(SEEN * wishes.length)));
      tell('switches-asked', wishes.length, '');
      tell('keyframes-per-switch', seen.video('keyFramesDecoded') / seen.heightChanges, '');
      const took = waits(seen, wishes);
      const to = (up) => took.filter((_, at) => (wishes[at].height === camera.height) === up);
      for (const [way, times] of /** @type {const} */ ([['up', to(true)], ['down', to(false)]])) {
        tell(`switch-${way}`, median(times), 'ms');
        tell(`slowest-switch-${way}`, Math.max(...times), 'ms');
      }
      tell('longest-gap', seen.longestGapMs('video'), 'ms');
      tell('frames-dropped', seen.video('framesDropped'), '');
      tell('nacks', seen.video('nackCount'), '');
      tell('frame-rate', seen.fps, '1/s');
    }
  } finally {
    for (const end of endings.reverse()) await end().catch(() => {});
  }
}

/** @typedef {import('./run.js').Run} Run */

export const cases = /** @type {Codec[]} */ (Object.keys(CAMERAS)).map((codec) => ({
  id: `layers-${codec}`,
  what: `encodings of ${codec} switched every two seconds, on this machine`,
  short: codec === 'vp8',
  // Both browsers watch in the same call, whatever is at the far end of the wire.
  firefox: false,
  run: async (/** @type {Run} */ { figures, short, log }) => {
    const own = new Figures('layers/');
    await soak(own, codec, { ms: short ? 20_000 : 300_000, stillMs: short ? 5000 : 30_000, log });
    figures.missed += own.missed;
  },
}));
