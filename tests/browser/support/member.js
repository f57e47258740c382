import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { until } from './caller.js';

const harness = readFileSync(new URL('./meeting-in-page.js', import.meta.url), 'utf8');

/** Somebody in a browser who is in a meeting by the Meeting API, on a page without content. */
export class Member {
  /**
   * @param {import('puppeteer-core').Browser} browser
   * @param {string} url of the server
   * @param {string} name also the participant id
   */
  static async open(browser, url, name) {
    const page = await browser.newPage();
    await page.goto(`${url}/sdk/client.js`); // a document without scripts of its own
    await page.addScriptTag({ type: 'module', content: harness });
    await page.waitForFunction(() => 'meet' in window, { timeout: 10_000, polling: 50 });
    return new Member(page, name);
  }

  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  /** @param {string} room @param {object} [settings] of the room, if this join begins it */
  async join(room, settings) {
    await this.ask('join', { room, name: this.name, settings });
    return this;
  }

  /** Runs a function of the page's `meet`. @param {string} method @param {...any} args */
  ask(method, ...args) {
    return this.page.evaluate((m, a) => window.meet[m](...a), method, args);
  }

  /** What was told so far. @param {string} [event] only of this name */
  async events(event) {
    const all = await this.page.evaluate(() => structuredClone(window.meet.events));
    return event === undefined ? all : all.filter(([name]) => name === event);
  }

  /** Waits until so many events of a name were told, and gives their arguments. */
  async told(event, count = 1) {
    const all = await until(`${this.name} is told ${count} ${event}`, () => this.events(event), (list) => list.length >= count);
    assert.equal(all.length, count, `${this.name} is told ${event} ${count} times: ${JSON.stringify(all)}`);
    return all.map(([, ...args]) => args);
  }

  /** Waits until its view of the meeting is as said. */
  async sees(what, good) {
    return until(`${this.name}: ${what}`, () => this.ask('view'), good);
  }
}
