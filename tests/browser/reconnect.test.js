import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { scene, SMALL } from './support/scene.js';

for (const browser of /** @type {const} */ (['chromium', 'firefox'])) {
  scene(`${browser}: a cut socket resumes; nobody notices, nothing is lost or doubled, the picture goes on`, { browsers: [browser], proxy: true }, async ({ caller, proxy }) => {
    const ann = await (await caller('Ann')).join({ room: 'r', camera: SMALL });
    const bob = await (await caller('Bob', { url: proxy.url })).join({ room: 'r', camera: SMALL });
    await Promise.all([ann.sees('Bob'), bob.sees('Ann')]);
    const offers = await bob.offers();
    const frames = (await bob.ask('stats', 'Ann', 'camera')).framesDecoded;
    const cut = proxy.cut(1500);
    await until('Bob notices', () => bob.state(), (s) => s === 'reconnecting', 3000);
    const said = bob.chat('from Bob while he was away');
    said.catch(() => {}); // looked at below; if the test ends before, its own reason is the one to report
    await ann.chat('to Bob while he was away');
    await until('media goes on without the socket', () => bob.ask('stats', 'Ann', 'camera'), (s) => s.framesDecoded > frames);
    await cut;
    await until('Bob is back', () => bob.state(), (s) => s === 'connected');
    await said;
    await until('Ann has the message', () => ann.events(), (e) => e.includes('chat from Bob while he was away'));
    await until('Bob has the message', () => bob.events(), (e) => e.includes('chat to Bob while he was away'));
    await Promise.all([ann.sees('Bob'), bob.sees('Ann')]);
    const [atAnn, atBob] = [await ann.events(), await bob.events()];
    assert.equal(atAnn.filter((e) => e.startsWith('chat')).length, 1);
    assert.equal(atBob.filter((e) => e.startsWith('chat')).length, 1);
    assert.ok(!atAnn.some((e) => e.startsWith('participant-left')), 'Ann did not see him leave');
    assert.equal(await bob.offers(), offers);
  });
}

scene('the server restarts: everybody comes back by themselves', { browsers: ['chromium', 'firefox'], timeout: 180_000 }, async ({ caller, server }) => {
  const ann = await (await caller('Ann', { browser: 'chromium' })).join({ room: 'r', camera: SMALL, microphone: true });
  const bob = await (await caller('Bob', { browser: 'firefox' })).join({ room: 'r', camera: SMALL, microphone: true });
  await Promise.all([ann.sees('Bob'), bob.sees('Ann')]);
  await server.restart();
  for (const who of [ann, bob]) await until(`${who.name} is back`, () => who.state(), (s) => s === 'connected', 30_000);
  await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
});
