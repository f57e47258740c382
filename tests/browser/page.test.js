import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { scene } from './support/scene.js';
import { Visitor } from './support/visitor.js';

/** Enters a room by the page, as a person would. */
async function enter(browser, url, name) {
  const page = await browser.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  await page.goto(`${url}/?room=library`);
  await page.waitForSelector('#name', { visible: true });
  await page.type('#name', name);
  await page.click('#join');
  await page.waitForSelector('#call', { visible: true, timeout: 15_000 });
  return { page, faults };
}

const pictures = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('.tile video')].map((video) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 80, height: 45 });
      const context = canvas.getContext('2d');
      context.drawImage(/** @type {any} */ (video), 0, 0, 80, 45);
      return context.getImageData(0, 0, 80, 45).data.reduce((sum, v, i) => sum + (i % 4 === 3 ? 0 : v * (1 + (i % 251))), 0);
    }),
  );

scene('the page: two people meet, talk, write, and leave', { browsers: ['chromium', 'firefox'], timeout: 180_000 }, async ({ browsers, server }) => {
  const ann = await enter(browsers.chromium, server.url, 'Ann');
  const bob = await enter(browsers.firefox, server.url, 'Bob');
  for (const { page } of [ann, bob]) {
    const first = await until('two pictures', () => pictures(page), (p) => p.length === 2 && p.every((sum) => sum > 0));
    await until('they move', () => pictures(page), (p) => p.length === 2 && p.every((sum, i) => sum > 0 && sum !== first[i]));
  }
  assert.match(await ann.page.$eval('#count', (e) => e.textContent), /2 people/);
  await ann.page.keyboard.press('c');
  await ann.page.type('#chat-text', 'Hello Bob');
  await ann.page.keyboard.press('Enter');
  await until('Bob is told of a message', () => bob.page.evaluate(() => document.querySelector('#control-chat .badge')?.textContent ?? ''), (n) => n === '1');
  await bob.page.click('#control-chat');
  assert.match(await bob.page.$eval('#messages', (e) => e.textContent), /Hello Bob/);
  await bob.page.click('#control-mic');
  await until('Ann sees that Bob is muted', () => ann.page.evaluate(() => document.querySelectorAll('[aria-label="microphone off"]').length), (n) => n === 1);
  await bob.page.click('#control-leave');
  await bob.page.waitForSelector('#left', { visible: true });
  await until('Ann is alone', () => ann.page.$eval('#count', (e) => e.textContent), (text) => text === 'just you', 5000);
  assert.deepEqual([...ann.faults, ...bob.faults], []);
});

for (const how of /** @type {const} */ (['reload', 'navigate'])) {
  for (const browser of /** @type {const} */ (['chromium', 'firefox'])) {
    scene(`${browser}: whose page goes away (${how}) is gone at once`, { browsers: [...new Set(['chromium', browser])] }, async ({ browsers, server }) => {
      const ann = await enter(browsers.chromium, server.url, 'Ann');
      const bob = await enter(browsers[browser], server.url, 'Bob');
      await ann.page.bringToFront(); // a tab in the background paints nothing
      await until('two people', () => ann.page.$eval('#count', (e) => e.textContent), (text) => text === '2 people');
      await (how === 'reload' ? bob.page.reload() : bob.page.goto('about:blank'));
      await until('Ann is alone', () => ann.page.$eval('#count', (e) => e.textContent), (text) => text === 'just you', 3000);
    });
  }
}

scene('the page fits a phone', {}, async ({ browsers, server }) => {
  const page = await browsers.chromium.newPage();
  await page.setViewport({ width: 360, height: 740, isMobile: true, hasTouch: true });
  await page.goto(`${server.url}/?room=library`);
  await page.type('#name', 'Ann');
  await page.click('#join');
  await page.waitForSelector('#call', { visible: true });
  const hidden = await page.evaluate(() =>
    [...document.querySelectorAll('.control')].filter((b) => {
      const box = b.getBoundingClientRect();
      return box.left < 0 || box.right > innerWidth || box.bottom > innerHeight || box.width < 40;
    }).length,
  );
  assert.equal(hidden, 0);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
});

scene('after a restart of the server everybody is back on the page, and nobody is announced', { timeout: 150_000 }, async ({ browsers, server }) => {
  const visitors = [await Visitor.enter(browsers.chromium, server.url, 'Ann', 'library'), await Visitor.enter(browsers.chromium, server.url, 'Bob', 'library')];
  for (const who of visitors) {
    await who.sees(1);
    await who.page.evaluate(() => {
      const said = (/** @type {any} */ (window).said = []);
      const note = () => said.push(...['toasts', 'live'].map((id) => document.getElementById(id)?.textContent).filter((t) => /joined|left|lost the connection$/.test(t ?? '')));
      for (const id of ['toasts', 'live']) new MutationObserver(note).observe(/** @type {any} */ (document.getElementById(id)), { childList: true, subtree: true, characterData: true });
    });
  }
  await server.stop();
  for (const who of visitors) await until('they notice', () => who.shown('#banner'), Boolean);
  await server.restart();
  for (const who of visitors) await until('they are back', () => who.shown('#banner'), (on) => !on, 40_000);
  for (const who of visitors) {
    await who.sees(1);
    assert.deepEqual(await who.page.evaluate(() => /** @type {any} */ (window).said), []);
  }
});
