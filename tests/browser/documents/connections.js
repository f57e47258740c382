/** Scenarios of the document about connections: what its text says of each block, for all three kinds of application. */
import assert from 'node:assert/strict';
import { until } from './stage.js';

/** @typedef {import('./extract.js').Block} Block */
/** @typedef {import('./stage.js').Person} Person */
/** @typedef {import('./stage.js').Scene} Scene */
/** @typedef {import('./stage.js').Tab} Tab */
/** @typedef {(scene: Scene, block: Block) => Promise<unknown>} Scenario */

/**
 * The block with ids filled in, and the kind of application it is for.
 * @param {Block} block
 * @param {Record<string, string>} ids what stands there -> what is meant
 * @returns {{tab: Tab, source: string}}
 */
const filled = ({ tab, source }, ids) => ({
  tab: /** @type {Tab} */ (tab),
  source: Object.entries(ids).reduce((text, [name, id]) => text.replaceAll(`"${name}"`, JSON.stringify(id)), source),
});

/** The block for somebody whose meeting is connected with `other`. @param {Block} block @param {string} other */
const towards = (block, other) => filled(block, { '<connection-id>': other, '<meeting-B-id>': other });

/** @param {Person[]} people @param {string} other */
const allConnected = (people, other) => Promise.all(people.map((person) => person.connected(other)));
/** @param {Person[]} people @param {(person: Person) => Promise<void>} check */
const each = (people, check) => Promise.all(people.map(check));

/** @type {Scenario} */
export async function connectTo(scene, block) {
  const [a, b] = [scene.room('A'), scene.room('B')];
  const [m1p1, m1p2, m2p1, m2p2] = await scene.people(
    [a, 'M1P1', filled(block, { Meeting_B_ID: b })],
    [a, 'M1P2'],
    // In the other meeting the same component listens; there nobody presses.
    [b, 'M2P1', block.tab === 'js' ? {} : filled(block, { Meeting_B_ID: a })],
    [b, 'M2P2'],
  );
  await m1p1.run();
  if (block.tab !== 'js') {
    await m2p1.run();
    await m1p1.press();
  }
  for (const [people, other] of /** @type {const} */ ([[[m1p1, m1p2], b], [[m2p1, m2p2], a]])) {
    await each(people, async (person) => {
      const [[connection], ...more] = await person.event('connection-open');
      assert.equal(connection.connection, other, `${person.id}: the other meeting`);
      assert.equal(connection.payload, 'Hello Everyone.');
      await person.settle();
      assert.equal((await person.events('connection-open')).length, 1, `${person.id}: once, and not ${more.length} times more`);
      assert.deepEqual(await person.connections(), [other]);
    });
  }
  for (const [person, other] of block.tab === 'js' ? [[m1p1, b]] : [[m1p1, b], [m2p1, a]]) {
    const [[label, connection], ...more] = await person.printed();
    assert.deepEqual([label, connection.connection, connection.payload, more.length], ['Connection', other, 'Hello Everyone.', 0]);
  }
}

/** @type {Scenario} */
export async function allConnections(scene, block) {
  const { m1p1, b, c } = await threeMeetings(scene, block);
  await m1p1.run();
  const printed = await until('a Map of all connected meetings', m1p1.printed, (lines) => Object.keys(lines.at(-1)?.[0]?.map ?? {}).length === 2);
  const { map } = printed.at(-1)[0];
  assert.deepEqual(Object.keys(map).sort(), [b, c].sort());
  assert.deepEqual(map[b].participants, ['M2P1']);
  assert.deepEqual(map[c].participants, ['M3P1']);
}

/** @type {Scenario} */
export async function oneConnection(scene, block) {
  const { m1p1, b } = await threeMeetings(scene, block);
  await m1p1.run();
  const printed = await until('a single meeting connection', m1p1.printed, (lines) => lines.at(-1)?.[0]?.participants?.length === 1);
  assert.equal(printed.at(-1)[0].connection, b);
  assert.deepEqual(printed.at(-1)[0].participants, ['M2P1']);
}

/** Meeting A is connected with B and with C. @param {Scene} scene @param {Block} block of who is in A */
async function threeMeetings(scene, block) {
  const [a, b, c] = [scene.room('A'), scene.room('B'), scene.room('C')];
  const [m1p1] = await scene.people([a, 'M1P1', towards(block, b)], [b, 'M2P1'], [c, 'M3P1']);
  for (const other of [b, c]) {
    await m1p1.connectTo(other);
    await m1p1.connected(other);
  }
  return { m1p1, b, c };
}

/** @type {Scenario} */
export async function participants(scene, block) {
  const [a, b] = [scene.room('A'), scene.room('B')];
  const m1 = (await scene.people([a, 'M1P1', towards(block, b)], [a, 'M1P2', towards(block, b)], [b, 'M2P1'])).slice(0, 2);
  await m1[0].connectTo(b);
  await allConnected(m1, b);
  await each(m1, async (person) => {
    await person.run();
    const printed = await until(`${person.id} prints who is there`, person.printed, (lines) => lines.length > 0);
    const everybody = { map: { M2P1: { id: 'M2P1', displayName: 'M2P1', sees: [] } } };
    assert.deepEqual(printed.at(-1), [everybody], 'id and displayName, and no streams');
  });
  const m2p2 = await scene.person(b, 'M2P2');
  await each(m1, async (person) => {
    await until(`${person.id} is told of M2P2`, person.printed, (lines) => lines.some(([line]) => line?.id === 'M2P2'));
    await person.settle();
    const told = (await person.printed()).filter(([line]) => line?.id);
    assert.deepEqual(told, [[{ id: 'M2P2', displayName: 'M2P2', sees: [] }]], 'once, with id and displayName only');
  });
  await m2p2.leave();
  await each(m1, async (person) => {
    await until(`${person.id} is told that M2P2 left`, person.printed, (lines) => lines.some(([line]) => line === 'M2P2'));
    await person.settle();
    assert.equal((await person.printed()).filter(([line]) => line === 'M2P2').length, 1, 'once, by id');
  });
}

/** @type {Scenario} */
export async function chat(scene, block) {
  const [a, b, c] = [scene.room('A'), scene.room('B'), scene.room('C')];
  const everybody = await scene.people(
    [a, 'M1P1', towards(block, b)],
    [a, 'M1P2', towards(block, b)],
    [b, 'M2P1', towards(block, a)],
    [b, 'M2P2', towards(block, a)],
    // A third meeting, connected with the second: what the first one says is none of its business.
    [c, 'M3P1', towards(block, b)],
  );
  const [m1, m2, m3] = [everybody.slice(0, 2), everybody.slice(2, 4), everybody.slice(4)];
  await m1[0].connectTo(b);
  await m3[0].connectTo(b);
  await allConnected([...m1, ...m3], b);
  await allConnected(m2, a);
  await each(everybody, (person) => person.run());
  await m1[0].press();
  await each(m2, async (person) => void (await until(`${person.id} is told`, person.alerts, (all) => all.length > 0)));
  await each(everybody, (person) => person.settle());
  for (const person of m2) assert.deepEqual(await person.alerts(), ['M1P1 says: Hi there, from MARS!'], person.id);
  for (const person of [...m1, ...m3]) assert.deepEqual(await person.alerts(), [], person.id);
}

/** @type {Scenario} */
export async function switchTo(scene, block) {
  const [a, b] = [scene.room('A'), scene.room('B')];
  const token = scene.token(a);
  const fill = (other, participant) => filled(block, { '<meeting-B-id>': other, '<participant-id>': participant, '<meeting-A-id>': a, JWT: token });
  const [p1, p2, p3, p4] = await scene.people([a, 'P1', fill(b, 'P2')], [b, 'P2', fill(a, 'P1')], [a, 'P3'], [b, 'P4']);
  await p1.connectTo(b);
  await allConnected([p1, p3], b);
  await allConnected([p2, p4], a);
  await each([p1, p2], (person) => person.run());
  await p1.press();
  const [[event]] = await p2.event('switch-meeting');
  assert.deepEqual(
    Object.fromEntries(['meetingId', 'payload', 'token', 'connectionParticipantId', 'connectionMeetingId'].map((name) => [name, event[name]])),
    { meetingId: a, payload: 'payload', token, connectionParticipantId: 'P1', connectionMeetingId: a },
  );
  if (block.tab === 'js') {
    // The block's own listener has heard it, does nothing, and so nothing has become of it.
    assert.deepEqual((await p2.heard()).map(([name, { meetingId }]) => [name, meetingId]), [['switch-meeting', a]]);
    await each([p1, p2, p3, p4], (person) => person.settle());
    assert.deepEqual(await p2.events('meeting-left'), []);
    await p2.leave();
    await p2.ask('enter', { meetingId: event.meetingId, token: event.token, participantId: 'P2', name: 'P2' });
  }
  for (const person of [p1, p3]) await until(`${person.id} sees P2 in meeting A`, () => person.ask('participants'), (ids) => ids.includes('P2'));
  await until('P2 left meeting B', () => p4.ask('participants'), (ids) => !ids.includes('P2'));
  await each([p1, p3, p4], async (person) => {
    await person.settle();
    assert.deepEqual(await person.events('switch-meeting'), [], `${person.id} was not asked`);
  });
}

/** Two meetings of two people each, connected. @param {Scene} scene @param {Block} block of M1P1 */
async function twoMeetings(scene, block) {
  const [a, b] = [scene.room('A'), scene.room('B')];
  const people = await scene.people([a, 'M1P1', towards(block, b)], [a, 'M1P2'], [b, 'M2P1'], [b, 'M2P2']);
  const [m1, m2] = [people.slice(0, 2), people.slice(2)];
  await m1[0].connectTo(b);
  await allConnected(m1, b);
  await allConnected(m2, a);
  return { a, b, m1, m2 };
}

/** @type {Scenario} */
export async function end(scene, block) {
  const { m1, m2, b } = await twoMeetings(scene, block);
  await m1[0].run();
  await m1[0].press();
  await endedButFor(m1, m2, b);
}

/**
 * Everybody of a meeting has left; the other one goes on without it.
 * @param {Person[]} there
 * @param {Person[]} gone
 * @param {string} id of the meeting that ended
 */
export async function endedButFor(there, gone, id) {
  await each(gone, async (person) => {
    await person.event('meeting-left');
    assert.equal((await person.events('meeting-state-changed')).at(-1)[0].state, 'CLOSED', person.id);
  });
  await each(there, async (person) => {
    assert.equal((await person.event('connection-close'))[0][0], id);
    await person.settle();
    assert.deepEqual(await person.connections(), []);
  });
  await alive(there);
}

/** @type {Scenario} */
export async function close(scene, block) {
  const { m1, m2, a, b } = await twoMeetings(scene, block);
  await m1[0].run();
  await m1[0].press();
  for (const [people, other] of /** @type {const} */ ([[m1, b], [m2, a]])) {
    await each(people, async (person) => {
      assert.equal((await person.event('connection-close'))[0][0], other, person.id);
      await person.settle();
      assert.equal((await person.events('connection-close')).length, 1, person.id);
      assert.deepEqual(await person.connections(), []);
    });
    await alive(people);
  }
  // Neither meeting has ended: they can be connected again.
  await m2[0].connectTo(a);
  await allConnected(m1, b);
}

/** They are still in their meeting, and see each other. @param {Person[]} people */
const alive = (people) =>
  each(people, async (person) => {
    assert.deepEqual(await person.events('meeting-left'), [], person.id);
    assert.deepEqual((await person.ask('participants')).sort(), people.filter((other) => other !== person).map(({ id }) => id));
  });
