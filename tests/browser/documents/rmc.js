/** Scenarios of the two pages about RTCMultiConnection. */
import assert from 'node:assert/strict';
import { until } from './stage.js';

/** @typedef {import('./connections.js').Scenario} Scenario */
/** @typedef {import('puppeteer-core').Page} Page */
/** @typedef {import('./stage.js').Scene} Scene */

const CREATED = 'Successfully created the room.';
const JOINED = 'Successfully joined the room.';
const NOT_AVAILABLE = 'Room not available';

/** The block with the id of this scenario's room, and the addresses of our script and our server. @param {Scene} scene @param {string} source */
const filled = (scene, source) =>
  source
    .replaceAll(/'(your-)?room-id'/g, JSON.stringify(scene.room('room')))
    .replace('https://rtcmulticonnection.herokuapp.com/dist/RTCMultiConnection.min.js', '/sdk/rtcmulticonnection.js')
    .replace('https://rtcmulticonnection.herokuapp.com/socket.io/socket.io.js', '/socket.io/socket.io.js')
    .replace('https://rtcmulticonnection.herokuapp.com:443/', `${scene.server.url}/`);

/** Notes what is shown, and what callbacks are given. */
function note() {
  const noted = { alerts: [], called: [] };
  Object.assign(window, { noted, alert: (text) => void noted.alerts.push(String(text)) });
  /** Of the methods that take a callback behind the id. @param {any} connection */
  noted.overhear = (connection) => {
    for (const name of ['open', 'join', 'openOrJoin', 'checkPresence']) {
      const own = connection[name].bind(connection);
      connection[name] = (roomid, callback) =>
        own(roomid, callback && ((...args) => {
          noted.called.push([name, ...args.slice(0, 3)]);
          callback(...args);
        }));
    }
  };
}

/** Somebody with a `connection` of their own, for the blocks that begin there. @param {Scene} scene */
async function somebody(scene) {
  const page = await scene.blank();
  await page.evaluate(note);
  await page.addScriptTag({ url: '/sdk/rtcmulticonnection.js' });
  await page.evaluate(() => {
    const connection = new RTCMultiConnection();
    window.noted.overhear(connection);
    Object.assign(window, { connection });
  });
  return page;
}

/** Somebody on a page that the block is part of. @param {Scene} scene @param {string} source */
async function somebodyOn(scene, source) {
  const page = await scene.blank();
  await page.evaluate(note);
  await page.setContent(`<!doctype html><meta charset="utf-8"><button id="btnOpenRoom">open</button><button id="btnJoinRoom">join</button>${filled(scene, source)}`);
  return page;
}

/** @param {Page} page @param {Scene} scene @param {{source: string}} block */
const run = (page, scene, { source }) => page.addScriptTag({ content: filled(scene, source) });

/** @param {Page} page */
const view = (page) =>
  page.evaluate(() => ({
    isInitiator: window.connection.isInitiator,
    sessionid: window.connection.sessionid,
    isOnline: window.connection.isOnline,
    others: window.connection.getAllParticipants().length,
    alerts: window.noted.alerts,
    called: window.noted.called,
  }));

/** @param {Page} page @param {string} room @param {boolean} isInitiator @param {number} others */
const isIn = (page, room, isInitiator, others) =>
  until(`in the room, ${isInitiator ? 'its initiator' : 'not its initiator'}, with ${others} more`, () => view(page), (v) =>
    v.isOnline && v.sessionid === room && v.isInitiator === isInitiator && v.others === others);

/** Our picture and theirs, both moving. @param {Page} page @param {number} count */
const plays = (page, count) =>
  until(`${count} pictures play`, () => page.evaluate(() => [...document.querySelectorAll('video')].filter((v) => v.videoWidth > 0 && !v.paused && v.currentTime > 0).length), (n) => n === count);

/** @type {Scenario} */
export async function openOrJoin(scene, block) {
  const room = scene.room('room');
  const [ann, bob] = [await somebody(scene), await somebody(scene)];
  await run(ann, scene, block);
  await isIn(ann, room, true, 0);
  await run(bob, scene, block);
  await isIn(bob, room, false, 1);
  await isIn(ann, room, true, 1);
  return [ann, bob];
}

/** @type {Scenario} */
export async function openOrJoinWithCallback(scene, block) {
  for (const page of await openOrJoin(scene, block)) {
    // Success, whether opened or joined: connection.isInitiator says which, as the block has it.
    assert.deepEqual((await view(page)).called, [['openOrJoin', true, scene.room('room'), null]]);
  }
}

/** @type {Scenario} */
export async function openOrJoinDemo(scene, { source }) {
  const room = scene.room('room');
  const ann = await somebodyOn(scene, source);
  await isIn(ann, room, true, 0);
  const bob = await somebodyOn(scene, source);
  await isIn(bob, room, false, 1);
  for (const page of [ann, bob]) await plays(page, 2);
}

/** @type {Scenario} */
export async function open(scene, block) {
  const room = scene.room('room');
  const [ann, bob] = [await somebody(scene), await somebody(scene)];
  await run(ann, scene, block);
  await until('told that the room is created', () => view(ann), (v) => v.alerts.length > 0);
  const { alerts } = await isIn(ann, room, true, 0);
  assert.deepEqual(alerts, [CREATED]);
  // Somebody else cannot create it again, and learns why.
  await run(bob, scene, block);
  const refused = await until('told that it is not', () => view(bob), (v) => v.alerts.length > 0);
  assert.deepEqual([refused.alerts, refused.isInitiator, refused.isOnline], [[NOT_AVAILABLE], false, false]);
  assert.deepEqual(refused.called, [['open', false, room, NOT_AVAILABLE]]);
}

/** @type {Scenario} */
export async function openCallback(scene, block) {
  const room = scene.room('room');
  const ann = await somebody(scene);
  await run(ann, scene, block);
  const { called } = await until('the callback is called', () => view(ann), (v) => v.called.length > 0);
  assert.deepEqual(called.map((args) => args.slice(0, 3)), [['open', true, room]]);
  await isIn(ann, room, true, 0);
}

/** @type {Scenario} */
export async function bestPractice(scene, block) {
  const room = scene.room('room');
  const [ann, bob] = [await somebody(scene), await somebody(scene)];
  await run(ann, scene, block);
  await isIn(ann, room, true, 0);
  await run(bob, scene, block);
  await isIn(bob, room, false, 1);
  const presence = async (page) => (await view(page)).called.filter(([name]) => name === 'checkPresence').map((args) => args.slice(0, 3));
  assert.deepEqual(await presence(ann), [['checkPresence', false, room]]);
  assert.deepEqual(await presence(bob), [['checkPresence', true, room]]);
}

/** By the mouse, which reaches only the page in front. @param {Page} page @param {string} button */
async function press(page, button) {
  await page.bringToFront();
  await page.click(button);
}

/** @type {Scenario} */
export async function openDemo(scene, { source }) {
  const room = scene.room('room');
  const [ann, bob] = [await somebodyOn(scene, source), await somebodyOn(scene, source)];
  const told = (page, count) => until(`told ${count} times`, () => view(page), (v) => v.alerts.length === count);
  await press(bob, '#btnJoinRoom');
  assert.deepEqual((await told(bob, 1)).alerts, [NOT_AVAILABLE], 'nobody has opened it yet');
  await press(ann, '#btnOpenRoom');
  assert.deepEqual((await told(ann, 1)).alerts, [CREATED]);
  await isIn(ann, room, true, 0);
  await press(bob, '#btnJoinRoom');
  assert.deepEqual((await told(bob, 2)).alerts, [NOT_AVAILABLE, JOINED]);
  await isIn(bob, room, false, 1);
  for (const page of [ann, bob]) await plays(page, 2);
}
