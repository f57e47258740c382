/** End-to-end encryption, with browsers, over a server. docs/E2EE.md says what is promised. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { until } from './support/caller.js';
import { HD, scene, SMALL } from './support/scene.js';

const tapping = readFileSync(new URL('./support/tap-in-page.js', import.meta.url), 'utf8');
const KEY = 'a pass phrase for all';
const BOTH = /** @type {const} */ (['chromium', 'firefox']);

const counts = (who) => who.page.evaluate(() => window.call.room.encryptionCounts());
const told = (who, line) => until(`${who.name} is told "${line}"`, () => who.media(), (log) => log.includes(line));
const decoded = async (who, name) => (await who.ask('stats', name, 'camera'))?.framesDecoded ?? 0;
const giveKey = (who, key, index = 0) => who.page.evaluate((k, i) => window.call.keys.setKey(k, { index: i }), key, index);

for (const [from, to] of [['chromium', 'firefox'], ['firefox', 'chromium']]) {
  for (const codec of ['vp8', 'vp9', 'av1']) {
    // Firefox makes its layers of VP9 and AV1 smaller as it sees fit, so there they have no size to be known by.
    const sizes = from === 'chromium' || codec === 'vp8';
    scene(`${codec} from ${from} to ${to}: with the key the picture is right${sizes ? ', and every layer of it can be had' : ''}`, { browsers: BOTH, timeout: 180_000 }, async ({ caller }) => {
      const [ann, bob] = [await caller('Ann', { browser: from }), await caller('Bob', { browser: to })];
      await ann.join({ room: 'r', key: KEY, microphone: true, participant: 'ann' });
      await bob.join({ room: 'r', key: KEY });
      await ann.ask('publishColours', { codec });
      await bob.sees('Ann');
      await bob.seesColours('Ann');
      await bob.hears('Ann');
      assert.equal((await bob.ask('stats', 'Ann', 'camera')).codec, `video/${codec.toUpperCase()}`);
      assert.equal(await bob.page.evaluate(() => window.call.publication('Ann', 'camera').encrypted), true);
      const height = (want) => until(`a picture ${want} high`, () => bob.ask('stats', 'Ann', 'camera'), (s) => s?.frameHeight === want, 40_000);
      const offers = await bob.offers();
      for (const [quality, pixels] of [['low', 180], ['high', 720], ['medium', 360]]) {
        await bob.subscribe('Ann', 'camera', { quality });
        if (sizes) await height(pixels);
        await bob.sees('Ann');
        await bob.seesColours('Ann');
      }
      assert.equal(await bob.offers(), offers);
      assert.deepEqual((await counts(bob)).dropped, {});
    });
  }
}

scene('H264 between Chromiums, and VP8 beside it for Firefox, all encrypted', { browsers: BOTH, timeout: 180_000 }, async ({ caller }) => {
  const [ann, bob, fox] = [await caller('Ann'), await caller('Bob'), await caller('Fox', { browser: 'firefox' })];
  await ann.join({ room: 'r', key: KEY });
  await Promise.all([bob.join({ room: 'r', key: KEY }), fox.join({ room: 'r', key: KEY })]);
  await ann.ask('publishColours', { codec: 'h264' });
  for (const [viewer, codec] of [[bob, 'video/H264'], [fox, 'video/VP8']]) {
    await viewer.sees('Ann');
    await viewer.seesColours('Ann');
    assert.equal((await viewer.ask('stats', 'Ann', 'camera')).codec, codec);
    assert.deepEqual((await counts(viewer)).dropped, {});
  }
});

for (const browser of BOTH) {
  scene(`${browser}: without the key, or with another, nothing is decoded; with it, soon`, { browsers: BOTH, timeout: 180_000 }, async ({ caller }) => {
    const [ann, eve] = [await caller('Ann', { browser: browser === 'chromium' ? 'firefox' : 'chromium' }), await caller('Eve', { browser })];
    await ann.join({ room: 'r', camera: SMALL, key: '', participant: 'ann' });
    await eve.join({ room: 'r', key: '' });
    await told(ann, 'encryption own camera missing-key');
    assert.equal((await counts(ann)).encrypted, 0, 'what cannot be encrypted is not sent');
    await giveKey(ann, KEY);
    await told(eve, 'encryption ann camera missing-key');
    await giveKey(eve, 'not the pass phrase');
    await told(eve, 'encryption ann camera wrong-key');
    const { dropped, decrypted } = await until('frames are dropped', () => counts(eve), (c) => c.dropped['wrong-key'] > 20);
    assert.ok(dropped['missing-key'] > 0 && decrypted === 0, JSON.stringify(dropped));
    assert.equal(await decoded(eve, 'Ann'), 0);
    await giveKey(eve, KEY);
    await told(eve, 'encryption ann camera ok');
    await eve.sees('Ann');
  });
}

scene('who encrypts shows nothing that anybody could have sent, and who does not receives nothing', {}, async ({ caller }) => {
  const [ann, bob] = [await caller('Ann'), await caller('Bob')];
  await ann.join({ room: 'r', camera: SMALL, participant: 'ann' });
  await bob.join({ room: 'r', camera: SMALL, key: KEY, participant: 'bob' });
  await told(bob, 'encryption ann camera not-encrypted');
  await until('frames are dropped', () => counts(bob), (c) => c.dropped['not-encrypted'] > 20);
  assert.equal(await decoded(bob, 'Ann'), 0);
  await told(ann, 'encryption bob camera missing-key');
  assert.equal(await ann.page.evaluate(() => window.call.publication('Bob', 'camera').track), null);
});

scene('a key changes in the middle of a call, and not a frame is lost by it', { browsers: BOTH, timeout: 180_000 }, async ({ caller }, t) => {
  const [ann, bob, fox] = [await caller('Ann'), await caller('Bob'), await caller('Fox', { browser: 'firefox' })];
  await ann.join({ room: 'r', camera: SMALL, microphone: true, key: KEY });
  await Promise.all([bob.join({ room: 'r', key: KEY }), fox.join({ room: 'r', camera: SMALL, key: KEY })]);
  await Promise.all([bob.sees('Ann'), fox.sees('Ann'), ann.sees('Fox'), bob.sees('Fox')]);
  // So late that a browser which gets no processor for a second has its key in time all the same.
  const switchAfterMs = 3000;
  for (const who of [ann, bob, fox]) await who.page.evaluate((ms) => (window.call.keys.switchAfterMs = ms), switchAfterMs);
  const before = await Promise.all([bob, fox].map((who) => who.ask('stats', 'Ann', 'camera')));
  for (const index of [1, 2, 3]) {
    // Not at once: the last comes half a second after the first, as keys come over a network.
    for (const who of [ann, bob, fox]) {
      await giveKey(who, `key number ${index}`, index);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await new Promise((resolve) => setTimeout(resolve, switchAfterMs + 500));
    for (const who of [ann, bob, fox]) await who.page.evaluate((i) => window.call.keys.removeKey({ index: i }), index - 1);
    await Promise.all([bob.sees('Ann'), fox.sees('Ann'), ann.sees('Fox'), bob.sees('Fox')]);
  }
  const after = await Promise.all([bob, fox].map((who) => who.ask('stats', 'Ann', 'camera')));
  // Freezes may have other causes on a busy machine; a picture that stood still for want of a key would have asked for a keyframe.
  assert.deepEqual(after.map((s) => s.pliCount), before.map((s) => s.pliCount));
  t.diagnostic(`freezes during the changes: ${after.map((s, i) => s.freezeCount - before[i].freezeCount).join(', ')}`);
  for (const who of [ann, bob, fox]) assert.deepEqual((await counts(who)).dropped, {}, who.name);
});

scene('older Chromium, with encoded streams in place of script transforms, talks with the newer', {}, async ({ caller }) => {
  const [old, bob] = [await caller('Old'), await caller('Bob')];
  await old.page.evaluate(() => delete window.RTCRtpScriptTransform);
  await old.join({ room: 'r', camera: SMALL, microphone: true, key: KEY });
  await bob.join({ room: 'r', camera: SMALL, microphone: true, key: KEY });
  await Promise.all([old.sees('Bob'), bob.sees('Old'), old.hears('Bob'), bob.hears('Old')]);
  assert.deepEqual([(await counts(old)).dropped, (await counts(bob)).dropped], [{}, {}]);
});

for (const codec of ['vp8', 'vp9', 'h264', 'av1']) {
  scene(`${codec}: nothing of what the publisher's encoder made is in what the server forwards`, { timeout: 180_000 }, async ({ caller }) => {
    const [ann, bob, eve] = [await caller('Ann'), await caller('Bob'), await caller('Eve')];
    for (const who of [ann, bob, eve]) await who.page.evaluate(tapping);
    for (const who of [ann, bob]) await who.page.evaluate(() => window.tap.spyOnCipher());
    await eve.page.evaluate(() => window.tap.eavesdrop());
    await ann.join({ room: 'r', key: KEY });
    await bob.join({ room: 'r', key: KEY });
    await eve.join({ room: 'r' });
    await ann.ask('publishColours', { codec });
    await bob.seesColours('Ann');
    await until('Eve knows of it', () => eve.page.evaluate(() => window.call.publication('Ann', 'camera') !== null), (known) => known);
    for (const who of [ann, bob, eve]) await who.page.evaluate(() => (window.tap.on = true));
    await eve.subscribe('Ann', 'camera', {});
    const [plain, decrypted, forwarded] = await until(
      'forty frames were forwarded',
      async () => {
        const eves = await eve.page.evaluate(() => window.tap.forwarded.length);
        return eves < 40 ? [] : Promise.all([[ann, 'plain'], [bob, 'decrypted'], [eve, 'forwarded']].map(([who, of]) => who.page.evaluate((name) => window.tap.take(name), of)));
      },
      (all) => all.length === 3,
      60_000,
    );
    const bytes = (list) => list.map((text) => Buffer.from(text, 'base64'));
    const [made, read, sent] = [bytes(plain), bytes(decrypted), bytes(forwarded)];

    // First that the search finds what is there: what Bob decrypted is, byte for byte, what Ann's encoder made.
    const known = new Set(made.map((frame) => frame.toString('latin1')));
    const same = read.filter((frame) => known.has(frame.toString('latin1'))).length;
    assert.ok(same > 20, `${same} of ${read.length} frames that Bob decrypted are Ann's`);
    assert.ok(overlaps(read.slice(0, 60), made) > 20);
    // And then that it is not in what was forwarded: no twelve bytes in a row.
    assert.equal(overlaps(made, sent.slice(0, 60)), 0);
    assert.ok(sent.reduce((sum, frame) => sum + frame.length, 0) > 10_000);
    // What was forwarded looks like noise: every byte is as likely as every other.
    assert.ok(unevenness(sent) < 400, `chi-square of ${unevenness(sent)} over 255 degrees of freedom`);

    // And nobody sees anything in it: Eve's decoder gets those very frames.
    for (let i = 0; i < 10; i++) {
      const colours = await eve.ask('colours', 'Ann', 'camera');
      const right = colours && Math.abs(colours[0][0] - 192) + colours[0][1] + colours[0][2] < 90 && colours[1][0] + colours[1][1] + Math.abs(colours[1][2] - 192) < 90;
      assert.ok(!right, `Eve sees ${JSON.stringify(colours)}`);
    }
    await bob.seesColours('Ann');
  });
}

/** How many of these frames share twelve bytes in a row with any of those. @param {Buffer[]} some @param {Buffer[]} others */
function overlaps(some, others) {
  const windows = new Set();
  for (const frame of others) for (let at = 0; at + 12 <= frame.length; at++) windows.add(frame.toString('latin1', at, at + 12));
  const shares = (frame) => {
    for (let at = 0; at + 12 <= frame.length; at += 12) if (windows.has(frame.toString('latin1', at, at + 12)) && !isDull(frame.subarray(at, at + 12))) return true;
    return false;
  };
  return some.filter(shares).length;
}

/** Padding is the same everywhere. @param {Buffer} bytes */
const isDull = (bytes) => new Set(bytes).size < 6;

/** Pearson's chi-square of the bytes of all frames, less what is clear in front and in the trailer. @param {Buffer[]} frames */
function unevenness(frames) {
  const found = new Array(256).fill(0);
  let total = 0;
  for (const frame of frames) for (const byte of frame.subarray(60, -36)) (found[byte] += 1), (total += 1);
  return found.reduce((sum, n) => sum + (n - total / 256) ** 2 / (total / 256), 0);
}
