import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { scene, SMALL } from './support/scene.js';

scene('who comes late sees at once who is there', { browsers: ['chromium', 'firefox'] }, async ({ caller }) => {
  const ann = await (await caller('Ann', { browser: 'chromium' })).join({ room: 'r', camera: SMALL, microphone: true });
  const bob = await (await caller('Bob', { browser: 'firefox' })).join({ room: 'r', camera: SMALL, microphone: true });
  await Promise.all([ann.sees('Bob'), bob.sees('Ann')]);
  const cid = await (await caller('Cid', { browser: 'chromium' })).join({ room: 'r', camera: SMALL });
  await Promise.all([cid.sees('Ann'), cid.sees('Bob'), cid.hears('Ann'), cid.hears('Bob'), ann.sees('Cid'), bob.sees('Cid')]);
});

scene('who leaves is gone at once, who closes the window too', {}, async ({ caller }) => {
  const [ann, bob, cid] = [await caller('Ann'), await caller('Bob'), await caller('Cid')];
  for (const who of [ann, bob, cid]) await who.join({ room: 'r', camera: SMALL });
  await Promise.all([ann.sees('Bob'), ann.sees('Cid')]);
  await bob.leave();
  await until('Bob is gone', () => ann.events(), (e) => e.includes('participant-left Bob'), 3000);
  await cid.page.goto('about:blank');
  await until('Cid is gone', () => ann.events(), (e) => e.includes('participant-left Cid'), 12_000);
});

scene('seats are used again without negotiation', { timeout: 180_000 }, async ({ caller }) => {
  const ann = await (await caller('Ann')).join({ room: 'r', seats: 1 });
  const offers = await ann.offers();
  const tracks = new Set();
  for (const name of ['Bob', 'Cid', 'Dan']) {
    const guest = await (await caller(name)).join({ room: 'r', camera: SMALL, microphone: true });
    tracks.add((await ann.sees(name)).track);
    await ann.hears(name);
    await guest.leave();
    await guest.close();
    await until(`${name} is gone`, () => ann.events(), (e) => e.includes(`participant-left ${name}`));
  }
  assert.equal(tracks.size, 1, 'all sat on the same seat');
  assert.equal(await ann.offers(), offers);
});

scene('more people than seats: they grow by one offer', { timeout: 180_000 }, async ({ caller }) => {
  const ann = await (await caller('Ann')).join({ room: 'r', seats: 1 });
  const offers = await ann.offers();
  for (const name of ['Bob', 'Cid']) await (await caller(name)).join({ room: 'r', camera: SMALL });
  await Promise.all([ann.sees('Bob'), ann.sees('Cid')]);
  assert.equal(await ann.offers(), offers + 1);
});
