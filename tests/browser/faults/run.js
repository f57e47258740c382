// How long people are apart when a node dies, in Chromium, with real nodes and a real NATS server.
// node faults/run.js [times]   (cargo xtask faults builds first and tells the goals)
//
// Ann and Bob are in a room of the first node, Bob by way of the second; a room of the second node is linked with theirs, and
// two people in it see each other. Then the first node is killed. Again and again, with nodes of their own each time.
import { LAUNCH } from '../support/browsers.js';
import { Caller } from '../support/caller.js';
import { figure } from '../support/figures.js';
import { startCluster } from '../support/nats.js';
import { SMALL } from '../support/scene.js';

const times = Number(process.argv[2] ?? 10);
const together = [];
const told = [];
const gaps = [];

for (let at = 0; at < times; at += 1) {
  const { nodes, stop } = await startCluster(['a', 'b']);
  const browser = await LAUNCH.chromium();
  try {
    await once(browser, nodes);
  } finally {
    await browser.close();
    await stop();
  }
}

const sorted = (values) => values.toSorted((a, b) => a - b);
const share = (values, of) => Math.round(sorted(values)[Math.min(values.length - 1, Math.floor(values.length * of))]);
const most = (name, value, unit, goal, limit) => figure({ figure: `node-killed/${name}`, value, unit, goal: goal ?? 'none', ok: limit === undefined || value <= limit });
most('decoded-again-p50', share(together, 0.5), 'ms', '<= 3000', 3000);
most('decoded-again-p99', share(together, 0.99), 'ms', '<= 10000', 10_000);
most('linked-room-told-max', share(told, 1), 'ms', '<= 5000', 5000);
most('longest-gap-of-another-room', share(gaps, 1), 'ms', '<= 200', 200);
most('kills', times, '', undefined, undefined);

/** @param {import('puppeteer-core').Browser} browser @param {Awaited<ReturnType<typeof startCluster>>['nodes']} nodes */
async function once(browser, nodes) {
  const url = nodes.map((node) => node.url);
  const caller = (name, node) => Caller.open(browser, url[node], name);
  const cam = await (await caller('Cam', 1)).join({ room: 'there', camera: SMALL });
  const dan = await (await caller('Dan', 1)).join({ room: 'there' });
  await dan.sees('Cam');
  const ann = await (await caller('Ann', 0)).join({ room: 'r', camera: SMALL, url });
  const bob = await (await caller('Bob', 1)).join({ room: 'r', camera: SMALL, url: url.toReversed() });
  await Promise.all([ann.sees('Bob'), bob.sees('Ann')]);
  await dan.page.evaluate(watchFrames, 'Cam');
  await dan.page.evaluate(async () => {
    window.linkClosed = new Promise((resolve) => window.call.room.on('link-closed', () => resolve(Date.now())));
    await window.call.room.openLink('r');
  });
  await Promise.all([ann.page.evaluate(watchNew, 'Bob'), bob.page.evaluate(watchNew, 'Ann')]);

  const killed = Date.now();
  await nodes[0].stop();
  for (const who of [ann, bob]) together.push((await who.page.evaluate(() => window.again)) - killed);
  told.push((await dan.page.evaluate(() => window.linkClosed)) - killed);
  gaps.push(await dan.page.evaluate(() => window.gap));
}

/** Runs in the page: the first frame of somebody on another track than now. */
function watchNew(name) {
  const { call } = window;
  const old = call.publication(name, 'camera').track;
  const oldConnection = call.room.peerConnection;
  window.again = (async () => {
    for (;;) {
      const now = call.publication(name, 'camera');
      if (now?.track && (now.track !== old || call.room.peerConnection !== oldConnection)) {
        const stats = await call.stats(name, 'camera').catch(() => null);
        if (stats?.framesDecoded > 0) return Date.now();
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
}

/** Runs in the page: the longest time between two frames of somebody, as they come in. */
function watchFrames(name) {
  const { call } = window;
  const receiver = call.room.peerConnection.getReceivers().find((r) => r.track === call.publication(name, 'camera').track);
  window.gap = 0;
  let newest = 0;
  let at = performance.now();
  setInterval(() => {
    const timestamp = Math.max(0, ...receiver.getSynchronizationSources().map((s) => s.timestamp));
    const now = performance.now();
    if (newest > 0) window.gap = Math.max(window.gap, now - at);
    if (timestamp > newest) [newest, at] = [timestamp, now];
  }, 5);
}
