/** The client in the README of the SDK, word for word, on a page without content. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { until } from './support/caller.js';
import { scene } from './support/scene.js';

const readme = readFileSync(new URL('../../sdk/client/README.md', import.meta.url), 'utf8');
const snippet = /```js\n([\s\S]*?)```/.exec(readme)[1];

scene('the first client of the README works as it stands', { browsers: ['chromium', 'firefox'] }, async ({ browsers, server }) => {
  const faults = [];
  const open = async (browser) => {
    const page = await browser.newPage();
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(`${server.url}/sdk/client.js`); // a document without scripts of its own
    // The browser shows the file as text; the client begins with an empty page.
    await page.evaluate(() => document.body.replaceChildren());
    await page.addScriptTag({ type: 'module', content: snippet });
    return page;
  };
  const pages = [await open(browsers.chromium), await open(browsers.firefox)];
  for (const page of pages) {
    const media = () => page.evaluate(() => [...document.querySelectorAll('audio, video')].map((e) => [e.tagName, !e.paused && e.currentTime > 0]).sort());
    await until('sound and picture of the other play', media, (m) => JSON.stringify(m) === '[["AUDIO",true],["VIDEO",true]]');
  }
  await pages[1].close();
  await until('who left is gone', () => pages[0].evaluate(() => document.querySelectorAll('audio, video').length), (n) => n === 0);
  assert.deepEqual(faults, []);
});
