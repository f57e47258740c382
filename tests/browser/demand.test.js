import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { figure, median } from './support/figures.js';
import { HD, scene } from './support/scene.js';

/** How soon a picture should be back, in ms, by the clock of who watches. */
const RESUME_MS = 300;
const ROUNDS = 5;
const env = { ENFILADE_ROOM__DYNACAST_DELAY: '1s' };

/** Waits until of a source exactly these encodings are being sent. */
async function sends(who, source, wanted) {
  let before = await who.ask('sent', source);
  const flowing = async () => {
    const now = await who.ask('sent', source);
    const rids = Object.keys(now).filter((rid) => now[rid] > (before[rid] ?? 0) + 3);
    before = now;
    return rids.sort().join(' ');
  };
  // Each look is half a second after the one before.
  const look = async () => (await new Promise((resolve) => setTimeout(resolve, 500)), flowing());
  await until(`${who.name} sends "${wanted}" of the ${source}`, look, (rids) => rids === wanted, 30_000);
}

/** @param {string} name @param {number[]} times */
function tell(name, times) {
  assert.ok(times.every((ms) => ms !== null), `${name}: a picture never came back`);
  const value = Math.round(median(times));
  figure({ figure: `dynacast/${name}`, value, unit: 'ms', goal: `<= ${RESUME_MS}`, ok: value <= RESUME_MS });
}

for (const [publisher, viewer] of /** @type {const} */ ([['chromium', 'firefox'], ['firefox', 'chromium'], ['chromium', 'chromium']])) {
  scene(`what nobody watches is not sent: ${publisher} publishes, ${viewer} watches`, { browsers: [...new Set([publisher, viewer])], env, timeout: 240_000 }, async ({ caller }) => {
    const ann = await caller('Ann', { browser: publisher });
    await ann.join({ room: 'r', camera: HD, microphone: true });
    await sends(ann, 'camera', '');
    await sends(ann, 'microphone', '');
    assert.deepEqual(await ann.ask('wanted', 'camera'), [false, false, false]);

    const bob = await caller('Bob', { browser: viewer });
    await bob.join({ room: 'r' });
    await Promise.all([bob.sees('Ann'), bob.hears('Ann')]);
    await sends(ann, 'camera', 'f q');
    await bob.subscribe('Ann', 'camera', { quality: 'low' });
    await sends(ann, 'camera', 'q');
    await bob.sees('Ann');
    await bob.subscribe('Ann', 'camera', { quality: 'high' });
    await until('the best picture', () => bob.ask('stats', 'Ann', 'camera'), (s) => s?.frameHeight === 720, 20_000);

    const times = [];
    for (let round = 0; round < ROUNDS; round++) {
      await bob.subscribe('Ann', 'camera', { paused: true });
      await sends(ann, 'camera', '');
      times.push(await bob.ask('firstFrameAfter', 'Ann', 'camera', {}));
    }
    tell(`${publisher}-to-${viewer}/resume-source`, times);

    // Muting and switching off have nothing to do with it.
    await ann.page.evaluate(() => window.call.room.devices.setCamera(false));
    await bob.subscribe('Ann', 'camera', { quality: 'low' });
    await until('the server wants the lowest', () => ann.ask('wanted', 'camera'), (w) => w && w[0] && !w[2]);
    await ann.page.evaluate((size) => window.call.room.devices.setCamera(true, size), HD);
    await sends(ann, 'camera', 'q');
    await bob.sees('Ann');
    assert.equal(await bob.offers(), 1);
  });
}

scene('a tile asks for what fits it, and for nothing while it is scrolled out of sight', { env, timeout: 180_000 }, async ({ caller }) => {
  const [ann, bob] = [await caller('Ann'), await caller('Bob')];
  await ann.join({ room: 'r', camera: HD });
  await bob.join({ room: 'r' });
  await bob.page.bringToFront();
  await bob.page.setViewport({ width: 1400, height: 900 });
  const height = (want) => until(`a picture ${want} high`, () => bob.ask('stats', 'Ann', 'camera'), (s) => s?.frameHeight === want, 40_000);
  await bob.sees('Ann');
  await bob.ask('show', 'Ann', 'camera', 1280, 720);
  await height(720);
  await bob.ask('resize', 200, 110);
  await height(180);
  await sends(ann, 'camera', 'q');
  await bob.ask('resize', 640, 360);
  await height(360);
  const times = [];
  for (let round = 0; round < ROUNDS; round++) {
    await bob.ask('scroll', true);
    await sends(ann, 'camera', '');
    times.push(await bob.ask('firstFrameAfter', 'Ann', 'camera', 'scroll'));
  }
  tell('scrolled-back-into-sight', times);
  await height(360);
});
