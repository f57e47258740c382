/** Scenarios of the class page: lines of code that begin at `connection`, the connection with the other meeting. */
import assert from 'node:assert/strict';
import { endedButFor } from './connections.js';
import { asFunction } from './bundle.js';
import { until } from './stage.js';

/** @typedef {import('./connections.js').Scenario} Scenario */
/** @typedef {import('./extract.js').Block} Block */
/** @typedef {import('./stage.js').Person} Person */
/** @typedef {import('./stage.js').Scene} Scene */

/**
 * Meeting A with M1P1 and M1P2 is connected with meeting B, where M2P1 is; both of A have `connection` and `listener`.
 * @param {Scene} scene
 * @param {Block} block
 */
async function connected(scene, { source }) {
  const [a, b] = [scene.room('A'), scene.room('B')];
  const m1 = [await scene.person(a, 'M1P1', { source }), await scene.person(a, 'M1P2', { source })];
  const m2p1 = await scene.person(b, 'M2P1');
  await m1[0].connectTo(b);
  for (const person of m1) {
    await person.connected(b);
    await person.ask('take', b);
  }
  await m2p1.connected(a);
  await m2p1.ask('take', a);
  return { a, b, m1, m2p1 };
}

/** @type {Scenario} */
export async function sendChatMessage(scene, block) {
  const { a, b, m1, m2p1 } = await connected(scene, block);
  const m2p2 = await scene.person(b, 'M2P2');
  await m2p2.connected(a);
  await m2p2.ask('take', a);
  for (const person of [m2p1, m2p2, ...m1]) await person.ask('listenTo', 'chat-message');
  await m1[0].run();
  for (const person of [m2p1, m2p2]) {
    const heard = await until(`${person.id} hears it`, person.heard, (all) => all.length > 0);
    const [[, { message, participantId }]] = heard;
    assert.deepEqual([heard.length, message, participantId], [1, 'Hi there, from MARS!', 'M1P1']);
  }
  for (const person of m1) {
    await person.settle();
    assert.deepEqual(await person.heard(), [], person.id);
  }
}

/** Somebody comes, says something and leaves. @param {Scene} scene @param {string} a @param {string} b */
async function comeSpeakLeave(scene, a, b) {
  const m2p2 = await scene.person(b, 'M2P2');
  await m2p2.connected(a);
  await m2p2.ask('say', a, 'hello');
  await m2p2.leave();
}

const first = ([event, subject]) => [event, subject.message ?? subject.id ?? subject];

/** @type {Scenario} */
export async function on(scene, block) {
  const { a, b, m1 } = await connected(scene, block);
  for (const person of m1) await person.run();
  await comeSpeakLeave(scene, a, b);
  for (const person of m1) {
    const heard = await until(`${person.id} hears both`, person.heard, (all) => all.length >= 2);
    await person.settle();
    // The block names participant-joined twice, where its comment says participant-left: a slip of the page.
    assert.deepEqual(heard.map(first), [['participant-joined', 'M2P2'], ['chat-message', 'hello']], person.id);
  }
}

/** @type {Scenario} */
export async function off(scene, block) {
  const { a, b, m1 } = await connected(scene, block);
  const [quiet, control] = m1;
  for (const person of m1) for (const event of ['participant-joined', 'chat-message']) await person.ask('listenTo', event);
  await quiet.run();
  await comeSpeakLeave(scene, a, b);
  await until('who took nothing off hears both', control.heard, (all) => all.length === 2);
  await quiet.settle();
  assert.deepEqual(await quiet.heard(), []);
}

/** @type {Scenario} */
export async function end(scene, block) {
  const { b, m1, m2p1 } = await connected(scene, block);
  const m2p2 = await scene.person(b, 'M2P2');
  await m1[0].run();
  await endedButFor(m1, [m2p1, m2p2], b);
}

/** The block listens to one event. @param {string} event @param {any} subject what its listener is given first @returns {Scenario} */
export const listens = (event, subject) => async (scene, block) => {
  const { a, b, m1 } = await connected(scene, block);
  for (const person of m1) {
    await person.ask('overhearConnection');
    await person.run();
  }
  await comeSpeakLeave(scene, a, b);
  for (const person of m1) {
    await until(`${person.id} hears it`, person.heard, (all) => all.length > 0);
    await person.settle();
    assert.deepEqual((await person.heard()).map(first), [[event, subject]], person.id);
  }
};
