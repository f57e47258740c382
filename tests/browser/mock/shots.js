/**
 * Photographs the page in its states: node tests/browser/mock/shots.js OUT_FOLDER
 */
import { mkdirSync } from 'node:fs';
import puppeteer from 'puppeteer-core';
import { startMock } from './server.js';

const out = process.argv[2] ?? 'shots';
mkdirSync(out, { recursive: true });
const SIZES = { phone: { width: 360, height: 740, deviceScaleFactor: 1, hasTouch: true, isMobile: true }, desk: { width: 1280, height: 800 } };
const mock = await startMock();
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required'],
});
const someone = (displayName) => ({ id: `there-${displayName}`, displayName });
const ROOMS = {
  'east-wing': { people: ['Ines Carvalho', 'Tom', 'Wei'].map(someone) },
  workshop: { people: ['Gustavo Henrique de Albuquerque e Silva', 'Noor'].map(someone), rights: ['roster', 'chat', 'switch', 'end'] },
  'a-room-with-a-very-long-name-indeed': { people: [] },
};
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function shoot(size, name, { people = 3, screen = false, scheme = 'light', refuse = null, token = true, join = true, linked = [], rooms = ROOMS, lobby = false, act = async (_page) => {} }) {
  Object.assign(mock.scene, { people, screen, refuse, token, rooms, lobby, linked: [...linked], deaf: false });
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.on('console', (m) => m.type() === 'error' && !/404/.test(m.text()) && console.log(`${size} ${name}:`, m.text()));
  page.on('pageerror', (e) => console.log(`${size} ${name}:`, e.message));
  await page.setViewport(SIZES[size]);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.evaluateOnNewDocument(await (await fetch(`${mock.url}fake-peer.js`)).text());
  await page.goto(`${mock.url}?room=library`);
  await wait(500);
  if (join) {
    await page.type('#name', 'Ann Lindqvist');
    await page.click('#join');
    await wait(1100);
  }
  await act(page);
  await page.screenshot({ path: `${out}/${size}-${name}.png` });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (overflow > 0) console.log(`${size} ${name}: ${overflow} px wider than the window`);
  await context.close();
}

const chatter = async (page) => {
  await page.click('#control-chat');
  mock.broadcast('chat', { message: 'm1', participant: 'p0', displayName: 'Bob Okafor', text: 'Good morning! Shall we start with the plan for the east wing?', timestampMs: Date.now() });
  await page.type('#chat-text', 'Yes. I have the drawings here.');
  await page.keyboard.press('Enter');
  await wait(300);
};
const across = async (page) => {
  mock.broadcast('link.chat', { link: 'east-wing', message: 'l1', participant: 'there-Tom', displayName: 'Tom', text: 'We have the drawings here. Who wants to see them?', timestampMs: Date.now() });
  await page.evaluate(() => document.querySelector('#doors').hidden && document.querySelector('#control-doors').click());
  await wait(200);
};
const asked = async () => {
  mock.broadcast('switch', { room: 'east-wing', token: 't', payload: null, participant: 'there-Tom', link: 'east-wing' });
  mock.broadcast('entry.requested', { participant: 'p99', displayName: 'Eve <b>Moreau</b>', metadata: null });
  await wait(300);
};
const only = process.argv[3];
for (const size of Object.keys(SIZES)) {
  const all = {
    prejoin: { join: false },
    'prejoin-dark-token': { token: false, scheme: 'dark', act: () => wait(300) },
    refused: { refuse: 'room-full' },
    alone: { people: 0 },
    two: { people: 1, scheme: 'dark' },
    four: { people: 3 },
    nine: { people: 8, scheme: 'dark' },
    many: { people: 26 },
    stage: { people: 5, screen: true, scheme: 'dark' },
    chat: { people: 4, act: chatter },
    people: { people: 7, scheme: 'dark', act: (page) => page.click('#control-people').then(() => wait(300)) },
    reconnecting: { people: 3, act: async () => { mock.scene.deaf = true; mock.cut(); await wait(1200); } },
    doors: { linked: ['east-wing', 'workshop'], act: across },
    'doors-dark': { people: 5, linked: ['east-wing', 'workshop', 'a-room-with-a-very-long-name-indeed'], scheme: 'dark', act: across },
    'doors-none': { act: (page) => page.click('#control-doors').then(() => page.type('#door-room', 'attic')).then(() => page.keyboard.press('Enter')).then(() => wait(300)) },
    'doors-chat': { people: 4, linked: ['east-wing'], act: async (page) => { await across(page); await page.type('.door-chat input', 'Me!'); await page.keyboard.press('Enter'); await page.click('#control-chat'); await wait(300); } },
    'doors-stale': { linked: ['east-wing', 'workshop'], act: async (page) => { await across(page); mock.broadcast('link.state', { link: 'east-wing', stale: true }); await page.evaluate(() => [...document.querySelectorAll('.door .bad')].find((b) => b.textContent === 'End that room').click()); await wait(400); } },
    asked: { people: 3, linked: ['east-wing'], act: asked },
    waiting: { lobby: true },
    left: { act: (page) => page.click('#control-leave').then(() => wait(400)) },
  };
  for (const [name, options] of Object.entries(all)) if (!only || name === only) await shoot(size, name, options);
}
await browser.close();
mock.close();
