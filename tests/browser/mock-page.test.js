/** The page against the server without media: what needs no media can be tested without one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { startMock } from './mock/server.js';
import { CHROMIUM, FIREFOX, LAUNCH } from './support/browsers.js';
import { until } from './support/caller.js';

for (const [name, path] of [['chromium', CHROMIUM], ['firefox', FIREFOX]]) {
  test(`${name}: the page through a whole call`, { skip: !path && !process.env.CI && `${name} is not installed`, timeout: 90_000 }, async () => {
    const mock = await startMock();
    const browser = await LAUNCH[name]();
    try {
      const page = await browser.newPage();
      const faults = [];
      // Firefox counts a socket that is cut while it opens, as this test does, among the page's errors.
      page.on('pageerror', (error) => /was interrupted while the page was loading/.test(error.message) || faults.push(error.message));
      await page.evaluateOnNewDocument(await (await fetch(`${mock.url}fake-peer.js`)).text());
      const text = (selector) => page.$eval(selector, (e) => e.textContent);
      const shown = (selector) => page.$eval(selector, (e) => e.checkVisibility());

      // Without a name nobody comes in, and the field says so.
      await page.goto(`${mock.url}?room=library`);
      await page.waitForSelector('#join:not(:disabled)');
      await page.click('#join');
      assert.match(await text('#join-error'), /how others should call you/);
      assert.equal(await page.evaluate(() => document.activeElement.id), 'name');

      // A room is named as people write, and comes out as the server takes it; what it cannot take is said before it is asked.
      await page.type('#name', 'Ann');
      await page.$eval('#room', (e) => (e.value = 'x'.repeat(200)));
      await page.click('#join');
      assert.match(await text('#join-error'), /too long/);
      assert.equal(await page.evaluate(() => document.activeElement.id), 'room');
      await page.$eval('#room', (e) => (e.value = ' my  library '));

      // A server without development tokens asks for one.
      mock.scene.token = false;
      await page.click('#join');
      await until('a token is asked for', () => shown('#token'), Boolean);
      assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
      assert.equal(await page.$eval('#room', (e) => e.value), 'my-library');
      mock.scene.token = true;

      // A refusal is put into words; nothing is left behind.
      mock.scene.refuse = 'room-full';
      await page.click('#join');
      await until('the refusal', () => text('#join-error'), (t) => /full/.test(t));
      // A room with a password asks for it.
      mock.scene.refuse = 'password-required';
      await page.click('#join');
      await until('a password is asked for', () => page.evaluate(() => document.activeElement?.id), (id) => id === 'password');
      mock.scene.refuse = null;
      await page.type('#password', 'open sesame');

      await page.click('#join');
      await until('in the call', () => shown('#call'), Boolean);
      assert.equal(mock.scene.joins.at(-1).password, 'open sesame');
      await until('four tiles', () => page.$$eval('.tile', (t) => t.length), (n) => n === 4);
      assert.equal(await text('#count'), '4 people');
      assert.equal(await page.evaluate(() => localStorage.getItem('enfilade.name')), 'Ann');
      assert.match(await page.$eval('#control-mic', (e) => e.getAttribute('aria-label')), /Mute/);

      // Keys: M mutes, C opens the chat, letters typed there are letters, Escape closes it and gives the focus back.
      await page.keyboard.press('m');
      await until('muted', () => page.$eval('#control-mic', (e) => e.getAttribute('aria-label')), (label) => /Unmute/.test(label));
      mock.broadcast('chat', { message: 'm1', participant: 'p0', displayName: 'Bob', text: '<b>hello</b> https://example.org/a?b=1.', timestampMs: Date.now() });
      await until('a badge', () => page.evaluate(() => document.querySelector('#control-chat .badge')?.textContent), (n) => n === '1');
      await page.keyboard.press('c');
      await page.type('#chat-text', 'mvc');
      await page.keyboard.press('Enter');
      await until('two messages', () => page.$$eval('#messages .text', (m) => m.map((x) => x.textContent)), (m) => m.join() === '<b>hello</b> https://example.org/a?b=1.,mvc');
      assert.deepEqual(await page.$$eval('#messages a', (a) => a.map((x) => x.href)), ['https://example.org/a?b=1']);
      await page.keyboard.press('Escape');
      assert.equal(await shown('#panel'), false);
      assert.equal(await page.evaluate(() => document.activeElement.id), 'control-chat');

      // D shows the devices, the focus goes there and comes back.
      await page.keyboard.press('d');
      await until('the devices', () => page.evaluate(() => document.activeElement.id), (id) => id === 'settings-camera');
      assert.equal(await page.$$eval('#settings-camera option', (o) => o.length > 0), true);
      await page.keyboard.press('Escape');
      assert.equal(await page.evaluate(() => document.activeElement.id), 'control-settings');

      // A screen takes the stage and leaves it; pinning does the same by hand.
      mock.broadcast('publication.added', { participant: 'p1', publication: { id: 77, source: 'screen', kind: 'video', muted: false, encodings: 1 } });
      await until('the stage', () => page.$$eval('#stage .tile.screen', (t) => t.length), (n) => n === 1);
      mock.broadcast('publication.removed', { participant: 'p1', publication: 77 });
      await until('the grid again', () => shown('#stage'), (on) => !on);
      await page.evaluate(() => document.querySelector('.tile .pin').click());
      await until('pinned', () => page.$$eval('#stage .tile', (t) => t.length), (n) => n === 1);
      await page.evaluate(() => document.querySelector('#stage .pin').click());

      // Somebody leaves; those who only listen to the page are told.
      mock.broadcast('participant.left', { participant: 'p2', reason: 'left' });
      await until('three tiles', () => page.$$eval('.tile', (t) => t.length), (n) => n === 3);
      assert.match(await text('#live'), /Dmitri left/);

      // The socket breaks and nobody answers: a banner; then the server is back, with everybody.
      mock.scene.deaf = true;
      mock.cut();
      await until('the banner', () => shown('#banner'), Boolean);
      mock.scene.deaf = false;
      mock.cut();
      await until('no banner', () => shown('#banner'), (on) => !on);
      await until('four tiles again', () => page.$$eval('.tile', (t) => t.length), (n) => n === 4);
      await until('the microphone is still muted', () => page.$eval('#control-mic', (e) => e.classList.contains('off')), Boolean);

      // Out by the door, and in again.
      await page.click('#control-leave');
      await until('left', () => shown('#left'), Boolean);
      await page.click('#rejoin');
      await until('in again', () => page.evaluate(() => [!document.getElementById('call').hidden, document.getElementById('join-error').textContent, document.getElementById('preview-note').textContent, document.getElementById('join').textContent, document.getElementById('prejoin').hidden]), ([on]) => on);
      mock.broadcast('bye', { code: 'removed', message: 'Out.', reconnect: false });
      await until('removed', () => text('#left-title'), (t) => /removed/.test(t));
      assert.deepEqual(faults, []);
    } finally {
      await browser.close();
      mock.close();
    }
  });
}
