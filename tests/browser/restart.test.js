/** The media path breaks in this way and that, in real browsers; the SDK brings it back without new keys. */
import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { startRelay } from './support/udp-relay.js';
import { scene, SMALL } from './support/scene.js';

const ONE_SHARD = { ENFILADE_MEDIA__SHARDS: '1' };

/** DTLS handshakes of the server so far. */
async function handshakes(server) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^enfilade_dtls_handshake_seconds_count (\d+)/m.exec(text)?.[1]);
}

/** Ann has an honest way. */
const honest = async ({ caller }) => (await caller('Ann')).join({ room: 'r', camera: SMALL, microphone: true });

/** Somebody joins whose media goes through the relay; both are seen. */
async function relayed({ caller }, relay, ann, name, how) {
  const who = await (await caller(name, how)).join({ room: 'r', camera: SMALL, microphone: true, ways: { udp: relay.port } });
  // After a break a sender is careful for a while, and may send the smallest encoding alone.
  await until(`Ann knows the camera of ${name}`, () => ann.ask('stats', name, 'camera'), (s) => s?.framesDecoded > 0);
  await ann.subscribe(name, 'camera', { quality: 'low' });
  await Promise.all([ann.sees(name), who.sees('Ann')]);
  return who;
}

/** Ann, and Bob through a relay. */
async function call(stage, url = stage.server.url) {
  const relay = await startRelay(stage.server.media);
  const ann = await honest(stage);
  return { relay, ann, bob: await relayed(stage, relay, ann, 'Bob', { url }) };
}

const frames = (who, of) => who.ask('stats', of, 'camera').then((s) => s?.framesDecoded ?? 0);

/** Milliseconds until somebody's picture of somebody goes on; who joined anew is counted anew. */
async function picture(who, of, begun, ms = 20_000) {
  let least = await frames(who, of);
  await until(`${who.name} sees ${of} again`, () => frames(who, of), (now) => now > (least = Math.min(least, now)) + 3, ms);
  return Date.now() - begun;
}

const sessions = (who) => who.page.evaluate(() => window.call.events.filter((e) => e === 'state connected').length);

for (const browser of /** @type {const} */ (['chromium', 'firefox'])) {
  const tell = (what) => console.log(`${browser}: ${what}`);

  scene(`${browser}: a NAT that gives another port costs neither restart nor keys`, { browsers: [browser], env: ONE_SHARD }, async (stage) => {
    const { relay, ann, bob } = await call(stage);
    try {
      const [keys, offers, begun] = [await handshakes(stage.server), await bob.offers(), Date.now()];
      relay.rebind();
      const [down, up] = await Promise.all([picture(bob, 'Ann', begun), picture(ann, 'Bob', begun)]);
      tell(`after a NAT rebinding media came after ${down} ms, and went after ${up} ms`);
      assert.equal(await handshakes(stage.server), keys);
      assert.ok((await bob.offers()) <= offers + 1, 'at most one restart');
      assert.equal(await bob.state(), 'connected');
    } finally {
      relay.close();
    }
  });

  scene(`${browser}: media that is killed is restarted while signalling lives`, { browsers: [browser], env: ONE_SHARD }, async (stage) => {
    const { relay, ann, bob } = await call(stage);
    try {
      const [keys, offers, begun] = [await handshakes(stage.server), await bob.offers(), Date.now()];
      relay.killFlows();
      await until('Bob restarts', () => bob.offers(), (now) => now > offers);
      const restarted = Date.now() - begun;
      const [down, up] = await Promise.all([picture(bob, 'Ann', begun), picture(ann, 'Bob', begun)]);
      tell(`media killed: restart after ${restarted} ms, media came after ${down} ms, and went after ${up} ms`);
      assert.equal(await handshakes(stage.server), keys, 'no new keys');
      assert.equal(await sessions(bob), 1, 'the session never ended');
    } finally {
      relay.close();
    }
  });

  scene(`${browser}: signalling and media broken at once: first the one resumes, then the other restarts`, { browsers: [browser], proxy: true, env: ONE_SHARD }, async (stage) => {
    const { relay, ann, bob } = await call(stage, stage.proxy.url);
    try {
      const [keys, offers, begun] = [await handshakes(stage.server), await bob.offers(), Date.now()];
      relay.killFlows();
      await stage.proxy.cut(1000);
      const [down, up] = await Promise.all([picture(bob, 'Ann', begun), picture(ann, 'Bob', begun)]);
      tell(`both broken for a second: media came after ${down} ms, and went after ${up} ms`);
      assert.ok((await bob.offers()) > offers);
      assert.equal(await handshakes(stage.server), keys, 'no new keys');
    } finally {
      relay.close();
    }
  });
}

scene('outages are got over, in Chromium and in Firefox', { browsers: ['chromium', 'firefox'], proxy: true, env: ONE_SHARD, timeout: 240_000 }, async (stage) => {
  const { server, proxy } = stage;
  const ann = await honest(stage);
  const everybody = [];
  for (const browser of ['chromium', 'firefox']) {
    const relay = await startRelay(server.media);
    everybody.push({ browser, relay, who: await relayed(stage, relay, ann, browser, { browser, url: proxy.url }) });
  }
  try {
    for (const seconds of [1, 5, 15, 35]) {
      const keys = await handshakes(server);
      for (const { relay } of everybody) relay.pass(false);
      proxy.stall(true);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      for (const { relay } of everybody) relay.pass(true);
      proxy.stall(false);
      const begun = Date.now();
      await Promise.all(everybody.map(async ({ browser, who }) => {
        const [down, up] = await Promise.all([picture(who, 'Ann', begun), picture(ann, browser, begun)]);
        console.log(`${browser}: after an outage of ${seconds} s media came after ${down} ms, and went after ${up} ms`);
        await until(`${browser} is in the room`, () => who.state(), (s) => s === 'connected');
      }));
      assert.equal(await ann.page.evaluate(() => window.call.room.participants.size), 2, 'and no ghost of anybody is left');
      // After half a minute the server may have given a session up; then somebody joined anew, under the same name.
      if (seconds > 15) continue;
      assert.equal(await handshakes(server), keys, 'no new keys');
      assert.deepEqual(await ann.page.evaluate(() => window.call.events.filter((e) => e.includes('left'))), [], 'nobody saw anybody leave');
    }
  } finally {
    for (const { relay } of everybody) relay.close();
  }
});
