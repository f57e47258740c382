/** What real browsers make of the SDK's offers, judged by a second peer connection of the same page: needs no server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { startMock } from './mock/server.js';
import { CHROMIUM, FIREFOX, LAUNCH } from './support/browsers.js';
import { until } from './support/caller.js';

const farEnd = readFileSync(new URL('./support/far-end.js', import.meta.url), 'utf8');

for (const [name, path] of [['chromium', CHROMIUM], ['firefox', FIREFOX]]) {
  test(`${name}: offers, seats, growth, line reuse, device change, ICE restart, data`, { skip: !path && !process.env.CI && `${name} is not installed`, timeout: 90_000 }, async () => {
    const mock = await startMock();
    const browser = await LAUNCH[name]();
    try {
      const page = await browser.newPage();
      page.on('pageerror', (error) => console.log('page:', error.message));
      await page.goto(`${mock.url}dom.js`);
      await page.addScriptTag({ type: 'module', content: farEnd });
      await page.waitForFunction(() => 'framesOf' in window, { polling: 50 });
      const run = (f, ...args) => page.evaluate(f, ...args);
      const frames = (id) => run((p) => window.framesOf(p), id);
      const farFrames = (kind) => run((k) => window.farFrames(k), kind);
      const grows = async (what, ask, by = 5) => {
        const before = await ask();
        await until(what, ask, (now) => now >= before + by);
      };

      // Join with camera and microphone in the first offer, eight seats beside them.
      await run(async () => {
        const { capture, devices } = window.room;
        const [microphone, camera] = await Promise.all([capture.microphone(), capture.camera({ width: 1280, height: 720 })]);
        await Promise.all([devices.setMicrophone(true, { track: microphone }), devices.setCamera(true, { track: camera }), window.room.join()]);
      });
      const offer = await run(() => window.far.offers[0]);
      assert.equal(await run(() => window.far.offers.length), 1, 'one offer');
      assert.equal((offer.match(/^a=recvonly/gm) ?? []).length, 16);
      assert.match(offer, /a=simulcast:send q;h;f/);
      assert.equal((offer.match(/^a=fingerprint/gm) ?? []).length >= 1 && !/^a=candidate.*tcptype/m.test(offer), true);
      await until('media is up', () => run(() => window.room.mediaState), (s) => s === 'connected');
      await grows('seat 0 shows', () => frames('p0'));
      await grows('seat 1 shows', () => frames('p1'));
      await grows('our camera arrives', () => farFrames('video'));
      await grows('our microphone arrives', () => farFrames('audio'));

      // A publication goes and another takes its line, with another size, without an offer.
      await run(async () => {
        await window.room.devices.setCamera(false);
        await window.room.devices.setCamera(true, { width: 320, height: 240 });
      });
      assert.equal(await run(() => window.far.offers.length), 1);
      await grows('the small camera arrives', () => farFrames('video'));

      // A screen is a new line; more seats are one more offer; nobody's picture stops.
      await run(async () => {
        const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
        const context = canvas.getContext('2d');
        setInterval(() => context.fillRect(Math.random() * 1280, 0, 20, 720), 100);
        await window.room.devices.setScreen(true, { track: canvas.captureStream(10).getVideoTracks()[0] });
        window.far.socket.say({ type: 'seats.wanted', count: 17 });
      });
      await until('32 seats', () => run(() => window.room.seats), (n) => n === 32);
      await until('three offers answered', () => run(() => window.room.peerConnection.signalingState === 'stable' && window.far.offers.length), (n) => n === 3);
      await grows('seat 0 still shows', () => frames('p0'));
      await run(() => window.room.devices.setScreen(false));

      // ICE restart, as after "transport lost".
      const ufrag = (sdp) => /a=ice-ufrag:(\S+)/.exec(sdp)[1];
      await run(() => window.far.socket.say({ type: 'transport', state: 'lost' }));
      await until('a fourth offer', () => run(() => window.far.offers.length), (n) => n === 4);
      const [third, fourth] = await run(() => window.far.offers.slice(2));
      assert.notEqual(ufrag(third), ufrag(fourth));
      await until('media is up again', () => run(() => window.room.mediaState), (s) => s === 'connected');
      await grows('seat 1 shows after the restart', () => frames('p1'));

      // Data: the far end echoes; the frame of the message survives.
      const echoed = await run(async () => {
        const channel = window.room.openDataChannel('game');
        const echo = new Promise((resolve) => channel.on('message', (m) => resolve({ participant: m.participant, text: new TextDecoder().decode(m.payload) })));
        await new Promise((resolve) => channel.on('open', resolve));
        await channel.send('hello', { to: 'p0' });
        return echo;
      });
      assert.deepEqual(echoed, { participant: 'p0', text: 'hello' });

      await run(() => window.room.leave());
      assert.equal(await run(() => window.room.state), 'closed');
      assert.deepEqual(await run(() => window.errors), []);
    } finally {
      await browser.close();
      mock.close();
    }
  });
}
