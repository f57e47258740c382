import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const harness = readFileSync(new URL('./in-page.js', import.meta.url), 'utf8');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Asks until the answer is good.
 * @template T
 * @param {string} what for the message when it never is
 * @param {() => Promise<T>} ask
 * @param {(answer: T) => any} good
 * @param {number} [ms]
 * @returns {Promise<T>}
 */
export async function until(what, ask, good, ms = 20_000) {
  const end = Date.now() + ms;
  let last;
  do {
    last = await ask();
    if (good(last)) return last;
    await sleep(150);
  } while (Date.now() < end);
  assert.fail(`${what}: not within ${ms} ms; last seen: ${JSON.stringify(last)}`);
}

/** Somebody in a browser who calls by the SDK, on a page without content. */
export class Caller {
  /**
   * @param {import('puppeteer-core').Browser} browser
   * @param {string} url of the server
   * @param {string} name
   */
  static async open(browser, url, name) {
    const page = await browser.newPage();
    await page.goto(`${url}/sdk/client.js`); // a document without scripts of its own
    await page.addScriptTag({ type: 'module', content: harness });
    await page.waitForFunction(() => 'call' in window, { timeout: 10_000, polling: 50 });
    return new Caller(page, name);
  }

  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  /** @param {{room: string, camera?: object, microphone?: boolean, seats?: number}} options */
  async join(options) {
    await this.page.evaluate((o) => window.call.join(o), { name: this.name, ...options });
    return this;
  }

  /** Runs a function of the page's `call`. @param {string} method @param {...any} args */
  ask(method, ...args) {
    return this.page.evaluate((m, a) => window.call[m](...a), method, args);
  }

  offers() {
    return this.page.evaluate(() => window.call.offers);
  }

  events() {
    return this.page.evaluate(() => [...window.call.events]);
  }

  /** What was told of codecs and encryption. */
  media() {
    return this.page.evaluate(() => [...window.call.media]);
  }

  state() {
    return this.page.evaluate(() => window.call.room.state);
  }

  chat(text) {
    return this.page.evaluate((t) => window.call.room.chat(t).then(() => null), text);
  }

  subscribe(name, source, limits) {
    return this.page.evaluate((n, s, l) => window.call.publication(n, s).subscribe(l), name, source, limits);
  }

  leave() {
    return this.page.evaluate(() => window.call.room.leave());
  }

  close() {
    return this.page.close();
  }

  /** Frames keep being decoded, and the picture is neither black nor frozen. */
  async sees(name, source = 'camera') {
    const what = `${this.name} sees the ${source} of ${name}`;
    const first = await until(what, () => this.ask('stats', name, source), (s) => s?.framesDecoded > 0);
    await until(`${what}: frames keep coming`, () => this.ask('stats', name, source), (s) => s?.framesDecoded >= first.framesDecoded + 10);
    const before = await until(`${what}: not black`, () => this.ask('pixels', name, source), (sum) => sum > 0);
    await until(`${what}: not frozen`, () => this.ask('pixels', name, source), (sum) => sum > 0 && sum !== before);
    return first;
  }

  /** The picture of `publishColours`, and nothing else. */
  async seesColours(name, source = 'camera') {
    const near = ([r, g, b], [x, y, z]) => Math.abs(r - x) + Math.abs(g - y) + Math.abs(b - z) < 90;
    await until(`${this.name} sees red and blue from ${name}`, () => this.ask('colours', name, source), (c) => c && near(c[0], [192, 0, 0]) && near(c[1], [0, 0, 192]));
  }

  /** Sound keeps coming, and it is not silence. */
  async hears(name, source = 'microphone') {
    const what = `${this.name} hears ${name}`;
    const first = await until(what, () => this.ask('stats', name, source), (s) => s?.packetsReceived > 0);
    await until(`${what}: it is not silent`, () => this.ask('stats', name, source), (s) => s && (s.totalAudioEnergy ?? 1) > 0 && s.packetsReceived >= first.packetsReceived + 25);
  }
}
