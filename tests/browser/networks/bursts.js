import { readFileSync } from 'node:fs';
import { LAUNCH, launchChromium } from '../support/browsers.js';
import { Caller } from '../support/caller.js';
import { startServer } from '../support/server.js';
import { Figures, atMost } from './figures.js';
import { Observation } from './observation.js';

const measuring = readFileSync(new URL('./in-page.js', import.meta.url), 'utf8');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const HD = { width: 1280, height: 720 };
/** Until both receive the largest layer and their jitter buffers have settled. */
const SETTLE_MS = 8000;
/** A busy machine freezes a picture now and then, whoever sends it. */
const NOISE = { freezes: 1, dropped: 5, bufferMs: 15 };
/** A jitter buffer is a matter of the machine's load too: compared only where it had time to settle. */
const BUFFER_MS = 60_000;

/** Packets sent and how often the kernel was called for them. @param {string} url */
async function sends(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const sum = (name) => [...text.matchAll(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'gm'))].reduce((total, [, n]) => total + Number(n), 0);
  return { packets: sum('enfilade_packets_out_total'), sends: sum('enfilade_sends_total') };
}

/** Ann publishes a camera and a microphone, Bob receives them with a browser of his own. */
async function call(server, publisher, subscriber) {
  const [ann, bob] = [await Caller.open(publisher, server.url, 'Ann'), await Caller.open(subscriber, server.url, 'Bob')];
  await bob.page.addScriptTag({ type: 'module', content: measuring });
  await bob.page.waitForFunction(() => 'measure' in window, { polling: 50 });
  await ann.join({ room: 'bursts', camera: HD, microphone: true });
  await bob.join({ room: 'bursts' });
  await bob.sees('Ann');
  await bob.hears('Ann');
  return bob;
}

/**
 * Two servers beside each other, one with segmented and padded bursts, one that sends every packet by itself; the same camera
 * on both, and the same browser receives. It must not tell them apart.
 * @param {Figures} figures
 * @param {'chromium' | 'firefox'} browser
 * @param {number} ms
 */
export async function soak(figures, browser, ms) {
  /** @type {(() => Promise<unknown>)[]} */
  const endings = [];
  try {
    const publisher = await launchChromium();
    endings.push(() => publisher.close());
    // All of it starts before anybody calls, and both calls begin together: what starts beside a call disturbs it for long.
    const sides = await Promise.all(
      [true, false].map(async (gso) => {
        const server = await startServer({ env: { ENFILADE_MEDIA__GSO: String(gso) } });
        endings.push(() => server.stop());
        const subscriber = await LAUNCH[browser]();
        endings.push(() => subscriber.close());
        return { server, subscriber };
      }),
    );
    const bobs = await Promise.all(sides.map(({ server, subscriber }) => call(server, publisher, subscriber)));
    await sleep(SETTLE_MS);
    const seen = await Promise.all(
      sides.map(async ({ server }, side) => {
        const before = await sends(server.url);
        const observation = await Observation.of(bobs[side].page, ms, 500);
        const after = await sends(server.url);
        return { observation, perSend: (after.packets - before.packets) / (after.sends - before.sends) };
      }),
    );
    const [on, off] = seen;
    const minutes = Math.max(1, ms / 60_000);
    for (const [name, unit, read, allowed] of /** @type {[string, string, (o: Observation) => number, number][]} */ ([
      ['freezes', '', (o) => o.freezes, NOISE.freezes * minutes],
      ['frames-dropped', '', (o) => o.video('framesDropped'), NOISE.dropped * minutes],
      ['video-buffer', 'ms', (o) => o.jitterBufferMs, NOISE.bufferMs],
      ['audio-concealed', 'of samples', (o) => o.concealed, 0.01],
    ])) {
      const without = read(off.observation);
      figures.add(`${browser}/${name}-without`, without, unit);
      const compared = name !== 'video-buffer' || ms >= BUFFER_MS;
      figures.add(`${browser}/${name}-with`, read(on.observation), unit, compared ? atMost(Number((without + allowed).toFixed(3))) : undefined);
    }
    // Nothing is lost here, so whatever is asked for again was taken for lost.
    for (const [side, { observation, perSend }] of /** @type {const} */ ([['without', off], ['with', on]])) {
      figures.add(`${browser}/nacks-${side}`, observation.video('nackCount'), '', side === 'with' ? atMost(off.observation.video('nackCount')) : undefined);
      figures.add(`${browser}/frame-rate-${side}`, observation.fps, '1/s');
      figures.add(`${browser}/video-rate-${side}`, observation.videoKbps, 'kbit/s');
      figures.add(`${browser}/packets-per-send-${side}`, perSend, '');
    }
    const padding = on.observation.video('headerBytesReceived') / on.observation.video('packetsReceived');
    const plain = off.observation.video('headerBytesReceived') / off.observation.video('packetsReceived');
    figures.add(`${browser}/padding-per-packet`, padding - plain, 'bytes');
  } finally {
    for (const end of endings.reverse()) await end().catch(() => {});
  }
}

/** @typedef {import('./run.js').Run} Run */

export const cases = [
  {
    id: 'gso-soak',
    what: 'segmented and padded bursts against single packets, on this machine',
    run: async (/** @type {Run} */ { figures, short }) => {
      const own = new Figures('gso-soak/');
      for (const browser of /** @type {const} */ (['chromium', 'firefox'])) await soak(own, browser, short ? 10_000 : 60_000);
      figures.missed += own.missed;
    },
  },
];
