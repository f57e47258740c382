import assert from 'node:assert/strict';
import { launchChromium } from '../support/browsers.js';
import { until } from '../support/caller.js';
import { startProxy } from '../support/proxy.js';
import { startServer } from '../support/server.js';
import { token } from '../support/token.js';
import { asFunction, page as bundle } from './bundle.js';

/** @typedef {'js' | 'react' | 'reactnative'} Tab */

/** A server and a browser for all scenarios; each scenario has rooms and people of its own. */
export async function openStage() {
  const server = await startServer();
  const proxy = await startProxy(server.port);
  const browser = await launchChromium().catch(async (error) => {
    await server.stop();
    throw error;
  });
  let scenes = 0;
  return {
    server,
    async close() {
      await browser.close();
      proxy.close();
      await server.stop();
    },
    /** @param {(scene: Scene) => Promise<void>} run */
    async play(run) {
      const scene = new Scene(browser, server, proxy, ++scenes);
      try {
        await run(scene);
        scene.assertFaultless();
      } finally {
        await scene.close();
      }
    },
  };
}

/** One scenario. */
export class Scene {
  #browser;
  #number;
  /** @type {{page: import('puppeteer-core').Page, faults: string[]}[]} */
  #open = [];

  /**
   * @param {import('puppeteer-core').Browser} browser
   * @param {Awaited<ReturnType<typeof startServer>>} server
   * @param {Awaited<ReturnType<typeof startProxy>>} proxy
   * @param {number} number
   */
  constructor(browser, server, proxy, number) {
    this.#browser = browser;
    this.server = server;
    this.proxy = proxy;
    this.#number = number;
  }

  /** The id of a room that only this scenario has. @param {string} name */
  room(name) {
    return `${name}-${this.#number}`;
  }

  /** A token of somebody who may join, and is no moderator. @param {string} room */
  token(room) {
    return token({ room, permissions: ['allow_join'] });
  }

  /**
   * Somebody with a page of their own and an application of the kind the tab is about. Not in the meeting yet.
   * @param {{tab?: Tab, source?: string, url?: string}} [how] source: of the block this person is going to run
   */
  async page({ tab = 'js', source, url = this.server.url } = {}) {
    const page = await this.blank(url);
    await page.addScriptTag({ type: 'module', content: await bundle(tab, source) });
    await page.waitForFunction(() => 'enter' in (window.person ?? {}), { timeout: 20_000, polling: 50 }); // a page behind another has no animation frames
    if (tab === 'js' && source) await page.addScriptTag({ content: asFunction(source) });
    return new Person(page);
  }

  /** An empty page of the server. @param {string} [url] */
  async blank(url = this.server.url) {
    const page = await this.#browser.newPage();
    /** @type {string[]} */
    const faults = [];
    this.#open.push({ page, faults });
    page.on('pageerror', (error) => faults.push(String(error)));
    // A listener that throws harms nobody else: the SDK writes it to the console. What the browser itself writes there has no
    // arguments.
    page.on('console', (message) => message.type() === 'error' && message.args().length > 0 && faults.push(message.text()));
    await page.goto(`${url}/sdk/client.js`); // a document without scripts of its own
    await page.evaluate(() => document.body.replaceChildren());
    return page;
  }

  /**
   * Somebody in a meeting.
   * @param {string} meetingId
   * @param {string} id also the name
   * @param {{tab?: Tab, source?: string}} [how]
   */
  async person(meetingId, id, how = {}) {
    const person = await this.page(how);
    await person.ask('enter', { meetingId, participantId: id, name: id, token: this.token(meetingId) });
    return Object.assign(person, { id });
  }

  /** Several at once, as `person`. @param {...Parameters<Scene['person']>} them */
  people(...them) {
    return Promise.all(them.map((one) => this.person(...one)));
  }

  /** Nothing was thrown that nobody caught, and nothing complained of. */
  assertFaultless() {
    assert.deepEqual(this.#open.flatMap(({ faults }) => faults), []);
  }

  async close() {
    await Promise.all(this.#open.map(({ page }) => page.close()));
  }
}

/** A page with somebody on it. */
export class Person {
  id = '';

  /** @param {import('puppeteer-core').Page} page */
  constructor(page) {
    this.page = page;
  }

  /** Runs a function of the page's `person`. @param {string} method @param {...any} args */
  ask(method, ...args) {
    return this.page.evaluate((m, a) => window.person[m](...a), method, args);
  }

  /** The block is run, or its component mounted. */
  run = () => this.ask('run');
  /** What the block calls onClick or onPress. */
  press = () => this.page.evaluate(() => void window.person.press());
  leave = () => this.ask('leave').then(() => {});
  /** Everything the server had said before was heard. */
  settle = () => this.ask('settle').then(() => {});
  /** Meetings connected with this one. */
  connections = () => this.ask('connections');
  printed = () => this.ask('tell', 'printed');
  alerts = () => this.ask('tell', 'alerts');
  heard = () => this.ask('tell', 'heard');

  /** What came with every event of this name. @param {string} event */
  async events(event) {
    return (await this.ask('tell', 'events')).filter(([name]) => name === event).map(([, ...args]) => args);
  }

  /** @param {string} event @param {number} [count] */
  async event(event, count = 1) {
    return until(`${this.id}: ${event}`, () => this.events(event), (all) => all.length >= count);
  }

  /** @param {string} meetingId */
  async connected(meetingId) {
    await until(`${this.id} is connected with ${meetingId}`, () => this.connections(), (all) => all.includes(meetingId));
  }

  /** Connects the meeting this person is in with another. @param {string} meetingId */
  connectTo(meetingId) {
    return this.ask('connectTo', meetingId);
  }
}

export { until };
