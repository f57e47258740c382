/** Through the TURN server inside the node and no other way: by UDP, by TCP, by TLS. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { until } from './support/caller.js';
import { makeCertificate, OPENSSL } from './support/certificate.js';
import { scene, SMALL } from './support/scene.js';
import { freePort, ownAddress } from './support/turn.js';

const address = ownAddress();
const lacking = !OPENSSL ? 'openssl is not installed' : !address ? 'this machine has no address but loopback' : null;

if (lacking && process.env.CI) throw new Error(lacking);
if (lacking) console.log(`# skipped: ${lacking}`);
else {
  const tls = makeCertificate(['localhost', '127.0.0.1', address ?? '']);
  after(tls.remove);
  const listening = async () => ({
    ENFILADE_TURN_SERVER__LISTEN: `0.0.0.0:${await freePort()}`,
    ENFILADE_TURN_SERVER__TLS_LISTEN: `0.0.0.0:${await freePort()}`,
    ENFILADE_MEDIA__ADVERTISED: JSON.stringify([address]),
    ENFILADE_MEDIA__SHARDS: '2',
  });
  const env = await listening();
  const port = env.ENFILADE_TURN_SERVER__LISTEN.split(':')[1];
  const ways = [
    ['udp', `:${port}?transport=udp`],
    ['tcp', `:${port}?transport=tcp`],
    ['tls', 'turns:'],
  ];
  scene('chromium: who reaches nothing but the TURN port joins, sees and is seen, by UDP, TCP and TLS', { env, tls }, async ({ caller }) => {
    const ann = await (await caller('Ann')).join({ room: 'r', camera: SMALL, microphone: true });
    for (const [protocol, relays] of ways) {
      const name = `By ${protocol}`;
      const begun = Date.now();
      const who = await caller(name);
      await who.join({ room: 'r', camera: SMALL, microphone: true, policy: 'relay', relays });
      await until(`${name} sees Ann`, () => who.ask('stats', 'Ann', 'camera'), (s) => s?.framesDecoded > 0);
      console.log(`chromium: first picture through our relay by ${protocol} ${Date.now() - begun} ms after the join`);
      await Promise.all([ann.sees(name), ann.hears(name), who.sees('Ann'), who.hears('Ann')]);
      assert.deepEqual(await who.ask('way'), { protocol: 'udp', type: 'relay', relay: protocol });
    }
  });
  const behind = await listening();
  Object.assign(behind, { ENFILADE_MEDIA__ADVERTISED: '["198.51.100.7"]', ENFILADE_TURN_SERVER__NAME: address });
  scene('chromium: behind a 1:1 NAT, where the server does not reach itself by its public address, relays do', { env: behind, tls }, async ({ caller }) => {
    const [ann, bob] = await Promise.all(['Ann', 'Bob'].map(async (name) => (await caller(name)).join({ room: 'r', camera: SMALL, microphone: true, policy: 'relay' })));
    await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
  });
  const plain = await listening();
  delete plain.ENFILADE_TURN_SERVER__TLS_LISTEN;
  scene('firefox: who reaches nothing but the TURN port joins, sees and is seen', { browsers: ['firefox'], env: plain }, async ({ caller }) => {
    const ann = await (await caller('Ann')).join({ room: 'r', camera: SMALL, microphone: true });
    const bob = await (await caller('Bob')).join({ room: 'r', camera: SMALL, microphone: true, policy: 'relay' });
    await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
    assert.equal((await bob.ask('way')).type, 'relay');
  });
}
