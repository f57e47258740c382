/** Through a TURN server (coturn) and no other way, with the credentials that the node hands out. */
import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { scene, SMALL } from './support/scene.js';
import { ownAddress, startTurn, TURNSERVER } from './support/turn.js';

const SECRET = 'a-secret-that-both-servers-know';
const address = ownAddress();
const lacking = !TURNSERVER ? 'coturn is not installed' : !address ? 'this machine has no address but loopback' : null;

if (lacking && process.env.CI) throw new Error(lacking);
if (lacking) console.log(`# skipped: ${lacking}`);
else {
  // The URL has to be known before the node starts.
  const turn = await startTurn({ secret: SECRET, address: address ?? '' });
  const stranger = await startTurn({ secret: 'a-secret-of-somebody-else', address: address ?? '' });
  const env = (of) => ({ ENFILADE_TURN__URLS: JSON.stringify([of.url]), ENFILADE_TURN__SECRET: SECRET, ENFILADE_MEDIA__SHARDS: '1' });
  for (const browser of /** @type {const} */ (['chromium', 'firefox'])) {
    scene(`${browser}: who can reach a relay and nothing else joins, sees, is seen, and comes back when the relay forgets`, { browsers: [browser], env: env(turn) }, async ({ caller }) => {
      try {
        const ann = await (await caller('Ann')).join({ room: 'r', camera: SMALL, microphone: true });
        const begun = Date.now();
        const bob = await (await caller('Bob')).join({ room: 'r', camera: SMALL, microphone: true, policy: 'relay' });
        await until('Bob sees Ann', () => bob.ask('stats', 'Ann', 'camera'), (s) => s?.framesDecoded > 0);
        console.log(`${browser}: first picture through a relay ${Date.now() - begun} ms after the join`);
        await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
        assert.equal((await bob.ask('way')).type, 'relay');
        const joined = await bob.page.evaluate(() => window.call.room.peerConnection.getConfiguration().iceServers[0]);
        assert.match(joined.username, /^\d{10}:/);

        const before = (await bob.ask('stats', 'Ann', 'camera')).framesDecoded;
        const lost = Date.now();
        await turn.restart();
        await until('the picture goes on', () => bob.ask('stats', 'Ann', 'camera'), (s) => s?.framesDecoded > before + 5);
        console.log(`${browser}: the picture went on ${Date.now() - lost} ms after the relay was lost`);
        assert.equal(await bob.state(), 'connected');
        await ann.subscribe('Bob', 'camera', { quality: 'low' });
        await Promise.all([ann.sees('Bob'), bob.sees('Ann')]);
      } catch (error) {
        console.log(turn.output().slice(-4000));
        throw error;
      }
    });
  }

  scene('a relay that does not know the secret takes nobody', { env: env(stranger) }, async ({ caller }) => {
    const bob = await caller('Bob');
    bob.join({ room: 'r', camera: SMALL, policy: 'relay' }).catch(() => {});
    await until('the relay refuses', async () => stranger.output(), (output) => /401|unauthorized/i.test(output));
    assert.equal(await bob.ask('way').catch(() => null), null);
  });

  const { after } = await import('node:test');
  after(() => Promise.all([turn.close(), stranger.close()]));
}
