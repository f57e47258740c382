import { readFileSync } from 'node:fs';
import { LAUNCH } from '../../browser/support/browsers.js';
import { token } from '../../browser/support/token.js';

const page = readFileSync(new URL('../drivers/page.js', import.meta.url), 'utf8');

/** Beyond what an order allows itself, a page has this long to say how it went, in ms. */
const GRACE_MS = 5_000;

/** A browser, with the SDK that the server hands out. */
export class BrowserEngine {
  #browser = null;
  #page = null;
  #sessions = 0;
  errors = '';

  /** @param {'chromium' | 'firefox'} name @param {{toneHz: number}} how */
  constructor(name, { toneHz }) {
    this.name = name;
    this.toneHz = toneHz;
  }

  async start() {
    this.#browser = await LAUNCH[this.name](this.name === 'firefox' ? { 'media.navigator.audio.fake_frequency': this.toneHz } : undefined);
  }

  async stop() {
    await this.#browser?.close();
    this.#browser = null;
  }

  publish(place) {
    return this.#enter('publish', place);
  }

  subscribe(place) {
    return this.#enter('subscribe', place);
  }

  call(place) {
    return this.#enter('call', place);
  }

  async #enter(role, { url, room, participant, picture, codec, toneHz, limitMs }) {
    this.#page ??= this.#open(url);
    const session = `${role}-${(this.#sessions += 1)}`;
    const secret = token({ permissions: ['allow_join'], room, participant });
    const end = () => this.#ask('end', { session });
    try {
      await this.#ask('enter', { session, role, token: secret, room, participant, picture, codec, toneHz, fakeTone: this.name === 'firefox', limitMs });
    } catch (error) {
      await end().catch(() => {});
      throw error;
    }
    return { dataId: participant, end, watch: (order) => this.#ask('watch', { session, ...order }) };
  }

  async #open(url) {
    const opened = await this.#browser.newPage();
    opened.on('console', (message) => (this.errors = `${this.errors}${message.text()}\n`.slice(-8_000)));
    opened.on('pageerror', (error) => (this.errors = `${this.errors}${error}\n`.slice(-8_000)));
    await opened.goto(`${url}/sdk/client.js`); // a document without scripts of its own
    await opened.addScriptTag({ type: 'module', content: page });
    await opened.waitForFunction(() => 'interop' in window, { timeout: 10_000, polling: 50 });
    return opened;
  }

  async #ask(what, order) {
    const limit = (order.limitMs ?? 10_000) + GRACE_MS;
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${this.name} did not answer "${what}" within ${limit} ms`)), limit)));
    const answer = this.#page.then((opened) => opened.evaluate((w, o) => window.interop[w](o), what, order));
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }
}
