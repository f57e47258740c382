import assert from 'node:assert/strict';
import { until } from './caller.js';

/** Somebody who enters a room by the page, in a window of their own. */
export class Visitor {
  faults = [];

  /**
   * As far as the door: the name is given, the button pressed.
   * @param {import('puppeteer-core').Browser} browser
   * @param {string} url of the server
   * @param {string} name
   * @param {string} room
   * @param {string} [token] in the link; absent: the page gets one for development
   */
  static async knock(browser, url, name, room, token) {
    const visitor = new Visitor();
    const context = await browser.createBrowserContext();
    visitor.page = await context.newPage();
    visitor.page.on('pageerror', (error) => visitor.faults.push(String(error)));
    await visitor.page.setViewport({ width: 1280, height: 800 });
    await visitor.page.goto(`${url}/?${new URLSearchParams({ room })}${token ? `#${new URLSearchParams({ token })}` : ''}`);
    await visitor.page.waitForSelector('#name', { visible: true });
    await visitor.page.type('#name', name);
    await visitor.page.click('#join');
    return visitor;
  }

  /** Into the room. @param {Parameters<typeof Visitor.knock>} how */
  static async enter(...how) {
    const visitor = await Visitor.knock(...how);
    await visitor.inside();
    return visitor;
  }

  inside() {
    return this.page.waitForSelector('#call', { visible: true, timeout: 15_000 });
  }

  text(selector) {
    return this.page.evaluate((s) => document.querySelector(s)?.textContent ?? '', selector);
  }

  texts(selector) {
    return this.page.$$eval(selector, (found) => found.map((e) => e.textContent));
  }

  shown(selector) {
    return this.page.evaluate((s) => document.querySelector(s)?.checkVisibility() ?? false, selector);
  }

  /** Presses the button that says so. @param {string} words */
  async press(words) {
    const button = await this.page.evaluateHandle((w) => [...document.querySelectorAll('button')].find((b) => b.textContent === w && b.checkVisibility()), words);
    assert.ok(button.asElement(), `there is a button that says ${words}`);
    await button.asElement().click();
  }

  /** @param {string} room */
  async openDoor(room) {
    if (!(await this.shown('#doors'))) await this.page.click('#control-doors');
    await this.page.type('#door-room', room);
    await this.page.keyboard.press('Enter');
  }

  /** Who is seen through the doors. @param {string[]} names */
  behind(names) {
    return until(`behind the door: ${names}`, () => this.texts('.door-people b'), (seen) => seen.sort().join() === [...names].sort().join());
  }

  /** Through the first door. @param {string} text */
  async sayAcross(text) {
    await this.page.type('.door-chat input', text);
    await this.page.keyboard.press('Enter');
  }

  /** Every tile but our own has a picture that moves. */
  async sees(count) {
    const pictures = () =>
      this.page.evaluate(() =>
        [...document.querySelectorAll('.tile')].filter((tile) => tile.querySelector('.label b')?.textContent !== 'You').map((tile) => {
          const video = tile.querySelector('video');
          if (!video || video.readyState < 2) return 0;
          const context = /** @type {any} */ (Object.assign(document.createElement('canvas'), { width: 80, height: 45 }).getContext('2d'));
          context.drawImage(video, 0, 0, 80, 45);
          return context.getImageData(0, 0, 80, 45).data.reduce((sum, v, i) => sum + (i % 4 === 3 ? 0 : v * (1 + (i % 251))), 0);
        }),
      );
    const first = await until(`${count} pictures`, pictures, (p) => p.length === count && p.every((sum) => sum > 0));
    await until('they move', pictures, (p) => p.length === count && p.every((sum, i) => sum > 0 && sum !== first[i]));
  }
}
