import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { startProxy } from './support/proxy.js';
import { scene, SMALL } from './support/scene.js';

for (const browser of /** @type {const} */ (['chromium', 'firefox'])) {
  scene(`${browser}: without UDP the media goes over TCP, and survives a break of its connection`, { browsers: [browser], env: { ENFILADE_MEDIA__SHARDS: '1' } }, async ({ caller, server }) => {
    const way = await startProxy(server.media, '0.0.0.0');
    try {
      const ann = await (await caller('Ann')).join({ room: 'r', camera: SMALL, microphone: true });
      const begun = Date.now();
      const bob = await (await caller('Bob')).join({ room: 'r', camera: SMALL, microphone: true, ways: { tcp: way.port } });
      await until('Bob sees Ann', () => bob.ask('stats', 'Ann', 'camera'), (s) => s?.framesDecoded > 0, 8000);
      console.log(`${browser}: first picture over TCP ${Date.now() - begun} ms after the join`);
      await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
      assert.equal((await bob.ask('way')).protocol, 'tcp');
      assert.equal((await ann.ask('way')).protocol, 'udp', 'who has UDP uses it');

      const before = (await bob.ask('stats', 'Ann', 'camera')).framesDecoded;
      const cut = Date.now();
      await way.cut(200);
      await until('the picture goes on', () => bob.ask('stats', 'Ann', 'camera'), (s) => s?.framesDecoded > before + 10);
      console.log(`${browser}: the picture went on ${Date.now() - cut} ms after the connection broke`);
      // After a break a browser's sender is careful for a while, and may send the smallest encoding alone.
      await ann.subscribe('Bob', 'camera', { quality: 'low' });
      await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
      assert.equal(await bob.state(), 'connected', 'the session never ended');
      assert.equal(await bob.page.evaluate(() => window.call.events.filter((e) => e.startsWith('state')).length), 2, 'connecting, connected');
    } finally {
      way.close();
    }
  });
}
