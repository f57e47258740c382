/**
 * Connections between meetings, in browsers: what the Meeting API promises (docs/MEETING_API.md), with nobody's part played by a
 * script. A, B and C are meetings; a1, b1, c1 … are in them.
 */
import assert from 'node:assert/strict';
import { scene } from './support/scene.js';
import { Member } from './support/member.js';

const ALL = { linkRights: ['roster', 'chat', 'switch', 'end'] };
const BOTH = { browsers: /** @type {('chromium' | 'firefox')[]} */ (['chromium', 'firefox']) };

/** Opens a page for each name in the browser at hand in turn, and puts each into the meeting of its letter. */
async function gather(stage, ...names) {
  const browsers = Object.values(stage.browsers);
  const members = {};
  for (const [i, name] of names.entries()) {
    members[name] = await (await Member.open(browsers[i % browsers.length], stage.proxy?.url ?? stage.server.url, name)).join(name[0].toUpperCase(), ALL);
  }
  return members;
}

const nobodyWasTold = async (event, ...members) => {
  for (const member of members) assert.deepEqual(await member.events(event), [], `${member.name} is told nothing of ${event}`);
};

scene('connectTo: everybody in both meetings gets one connection-open with the payload; the third meeting sees nothing', BOTH, async (stage) => {
  const { a1, a2, b1, b2, c1 } = await gather(stage, 'a1', 'b1', 'a2', 'b2', 'c1');
  assert.deepEqual(await a1.ask('connectTo', { meetingId: 'B', payload: 'Hello Everyone.' }), { ok: { connection: 'B', payload: 'Hello Everyone.' } });
  for (const [member, other, there] of [[a1, 'B', ['b1', 'b2']], [a2, 'B', ['b1', 'b2']], [b1, 'A', ['a1', 'a2']], [b2, 'A', ['a1', 'a2']]]) {
    assert.deepEqual(await member.told('connection-open'), [[{ connection: other, payload: 'Hello Everyone.' }, { replayed: false }]]);
    assert.deepEqual((await member.ask('view')).connections, { [other]: there });
  }
  await nobodyWasTold('connection-open', c1);

  // A second connection of B: neither its people nor its words reach A.
  assert.ok((await b1.ask('connectTo', { meetingId: 'C' })).ok);
  await c1.told('connection-open');
  assert.ok((await c1.ask('chat', 'B', 'only for B')).ok);
  assert.deepEqual((await b2.told('C chat-message'))[0][0].message, 'only for B');
  assert.deepEqual((await a1.ask('view')).connections, { B: ['b1', 'b2'] });
  assert.deepEqual((await c1.ask('view')).connections, { B: ['b1', 'b2'] });
  for (const member of [a1, a2]) assert.ok(!JSON.stringify(await member.events()).includes('only for B'));
});

scene('who comes and goes in the connected meeting: id and displayName, then the id', {}, async (stage) => {
  const { a1, a2, b1 } = await gather(stage, 'a1', 'a2', 'b1');
  await a1.ask('connectTo', { meetingId: 'B' });
  const { b2 } = await gather(stage, 'b2');
  for (const member of [a1, a2]) assert.deepEqual(await member.told('B participant-joined'), [[{ id: 'b2', displayName: 'B2' }]]);
  await b2.ask('leave');
  for (const member of [a1, a2]) assert.equal((await member.told('B participant-left'))[0][0], 'b2');
  await nobodyWasTold('A participant-joined', b1);
});

scene('a chat message reaches everybody in the other meeting once, and nobody in this one', BOTH, async (stage) => {
  const { a1, a2, b1, b2 } = await gather(stage, 'a1', 'b1', 'a2', 'b2');
  await a1.ask('connectTo', { meetingId: 'B' });
  for (const member of [a2, b1, b2]) await member.told('connection-open');
  const { ok: receipt } = await a1.ask('chat', 'B', 'Hi there, from MARS!');
  for (const member of [b1, b2]) {
    const [[message]] = await member.told('A chat-message');
    assert.deepEqual(message, { message: 'Hi there, from MARS!', participantId: 'a1', id: receipt.id, timestamp: receipt.timestamp, senderName: 'A1', connectionId: 'A' });
  }
  await nobodyWasTold('B chat-message', a1, a2);
  await nobodyWasTold('B chat-message-sent', a1, a2);
  await a1.ask('chat', 'B', 'with an echo', { echo: true });
  assert.equal((await a2.told('B chat-message-sent'))[0][0].message, 'with an echo');
  await nobodyWasTold('B chat-message-sent', a1);
});

scene('switchTo: only the one who is asked is told, stays until it accepts, and then is in the other meeting', BOTH, async (stage) => {
  const { a1, b1, b2 } = await gather(stage, 'a1', 'b1', 'b2');
  await a1.ask('connectTo', { meetingId: 'B' });
  await b2.told('connection-open');
  assert.deepEqual(await a1.ask('switchOther', 'B', 'b2', 'A', { seat: 3 }), { ok: null });
  const [[request]] = await b2.told('switch-meeting');
  const { token, ...rest } = request;
  assert.deepEqual(rest, { meetingId: 'A', payload: { seat: 3 }, connectionParticipantId: 'a1', connectionMeetingId: 'A', accept: 'function' });
  assert.equal(token.split('.').length, 3);
  await nobodyWasTold('switch-meeting', a1, b1);
  assert.deepEqual((await b1.ask('view')).people, ['b2']);
  assert.deepEqual(await b2.ask('accept'), { ok: null });
  await a1.sees('b2 is here', ({ people }) => people.includes('b2'));
  await b1.sees('b2 is gone', ({ people }) => people.length === 0);
  const view = await b2.ask('view');
  assert.deepEqual([view.id, view.state, view.people, Object.keys(view.connections)], ['A', 'CONNECTED', ['a1'], ['B']]);
  assert.equal((await b2.events('meeting-joined')).length, 2);
});

scene('end: everybody over there leaves with a reason; here leaves come before connection-close, and the meeting goes on', {}, async (stage) => {
  const { a1, a2, b1, b2 } = await gather(stage, 'a1', 'a2', 'b1', 'b2');
  await a1.ask('connectTo', { meetingId: 'B' });
  await a2.told('connection-open');
  assert.deepEqual(await a1.ask('end', 'B'), { ok: null });
  for (const member of [b1, b2]) assert.deepEqual((await member.told('meeting-left'))[0][0].code, 1006);
  for (const member of [a1, a2]) {
    assert.deepEqual((await member.told('connection-close'))[0], ['B', 'remote-ended']);
    const names = (await member.events()).map(([event]) => event);
    const leaves = names.flatMap((event, i) => (event === 'B participant-left' ? [i] : []));
    assert.equal(leaves.length, 2);
    assert.ok(Math.max(...leaves) < names.indexOf('connection-close'));
    assert.equal((await member.ask('view')).state, 'CONNECTED');
  }
});

scene('end without the right is refused, and nobody leaves', {}, async (stage) => {
  const { a1 } = await gather(stage, 'a1');
  const b1 = await (await Member.open(stage.browsers.chromium, stage.server.url, 'b1')).join('B', { linkRights: ['roster', 'chat'] });
  await a1.ask('connectTo', { meetingId: 'B' });
  assert.deepEqual(await a1.ask('end', 'B'), { code: 'link-right', number: 4025 });
  assert.equal((await b1.ask('view')).state, 'CONNECTED');
});

scene('close: both sides are told, both meetings go on, no word crosses any more; connecting again works', {}, async (stage) => {
  const { a1, a2, b1 } = await gather(stage, 'a1', 'a2', 'b1');
  await a1.ask('connectTo', { meetingId: 'B' });
  await b1.told('connection-open');
  assert.deepEqual(await b1.ask('close', 'A'), { ok: null });
  assert.deepEqual(await b1.told('connection-close'), [['A', 'closed-local']]);
  for (const member of [a1, a2]) assert.deepEqual(await member.told('connection-close'), [['B', 'closed-remote']]);
  for (const member of [a1, a2, b1]) assert.deepEqual([(await member.ask('view')).state, (await member.ask('view')).connections], ['CONNECTED', {}]);
  const before = (await a1.events()).length;
  const { b2 } = await gather(stage, 'b2');
  await b1.sees('b2 is here', ({ people }) => people.includes('b2'));
  assert.equal((await a1.events()).length, before);
  assert.ok((await a2.ask('connectTo', { meetingId: 'B', payload: 'again' })).ok);
  await b2.told('connection-open');
  await b1.told('connection-open', 2);
});

scene('who comes late sees what is open; connecting twice, or from both sides at once, is one connection', BOTH, async (stage) => {
  const { a1, b1 } = await gather(stage, 'a1', 'b1');
  const results = await Promise.all([
    a1.ask('connectTo', { meetingId: 'B', payload: 'from A' }), b1.ask('connectTo', { meetingId: 'A', payload: 'from B' }), a1.ask('connectTo', { meetingId: 'B', payload: 'from A' }),
  ]);
  assert.ok(results.every(({ ok }) => ok), JSON.stringify(results));
  const [[there]] = await a1.told('connection-open');
  const [[here]] = await b1.told('connection-open');
  assert.equal(there.payload, here.payload, 'one payload, on both sides');
  const { a2 } = await gather(stage, 'a2');
  assert.deepEqual(await a2.told('connection-open'), [[{ connection: 'B', payload: there.payload }, { replayed: true }]]);
  const events = (await a2.events()).map(([event]) => event);
  assert.ok(events.indexOf('meeting-joined') < events.indexOf('connection-open'));
  assert.deepEqual(await a2.ask('listenLate'), [['B', true]]);
  assert.deepEqual((await a2.ask('view')).connections, { B: ['b1'] });
});

scene('what cannot be connected rejects with its code', {}, async (stage) => {
  const { a1 } = await gather(stage, 'a1');
  assert.equal((await a1.ask('connectTo', { meetingId: 'A' })).code, 'same-room');
  assert.match((await a1.ask('connectTo', { meetingId: 'Nowhere' })).code, /^room-not-(found|live)$/);
  const waiting = a1.ask('connectTo', { meetingId: 'B', wait: 20_000 });
  await gather(stage, 'b1');
  assert.ok((await waiting).ok);
});

scene('no media crosses: descriptions stay as they are, and no id of the other meeting is in them', {}, async (stage) => {
  const { a1, b1 } = await gather(stage, 'a1', 'b1');
  const before = await a1.ask('descriptions');
  await b1.page.evaluate(() => window.meet.meeting.enableWebcam());
  await a1.ask('connectTo', { meetingId: 'B' });
  await b1.told('connection-open');
  assert.equal(await a1.ask('descriptions'), before);
  assert.deepEqual((await a1.ask('view')).people, []);
});

scene('states under losses of the network: legal steps only, and the connection is still there', { proxy: true }, async (stage) => {
  const { a1 } = await gather(stage, 'a1');
  const b1 = await (await Member.open(stage.browsers.chromium, stage.server.url, 'b1')).join('B', ALL);
  await a1.ask('connectTo', { meetingId: 'B' });
  const legal = {
    CONNECTING: ['CONNECTED', 'FAILED'], CONNECTED: ['DISCONNECTED', 'CLOSING'], DISCONNECTED: ['CONNECTING', 'FAILED', 'CLOSED'], CLOSING: ['CLOSED'],
  };
  for (const ms of [100, 2500]) {
    const count = (await a1.events('meeting-state-changed')).length;
    await stage.proxy.cut(ms);
    await a1.sees('back', ({ state }) => state === 'CONNECTED');
    assert.equal((await a1.events('meeting-state-changed')).length, count + 3);
  }
  assert.ok((await b1.ask('chat', 'A', 'still here?')).ok);
  assert.equal((await a1.told('B chat-message'))[0][0].message, 'still here?');
  await a1.ask('leave');
  const states = (await a1.events('meeting-state-changed')).map(([, { state }]) => state);
  assert.deepEqual(states.slice(-2), ['CLOSING', 'CLOSED']);
  for (const [i, state] of states.entries()) if (i > 0) assert.ok(legal[states[i - 1]].includes(state), `${states[i - 1]} -> ${state}`);
});
