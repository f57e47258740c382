import assert from 'node:assert/strict';
import test from 'node:test';
import { TRANSITIONS, TRANSITIONS_V1 } from '../meeting/state.js';
import { meetingScene, settle } from './support.js';

/** Writes down every state with its detail, and checks each step against the table. */
function watched(options = {}) {
  const s = meetingScene(options);
  const table = options.stateModel === 'v1' ? TRANSITIONS_V1 : TRANSITIONS;
  const changes = [];
  s.meeting.on('meeting-state-changed', (change) => {
    const before = changes.at(-1)?.[0];
    if (before) assert.ok(table[before].includes(change.state), `${before} -> ${change.state} is not in the table`);
    else assert.equal(change.state, 'CONNECTING');
    changes.push([change.state, change.detail.phase, change.detail.reason]);
  });
  return Object.assign(s, { changes });
}

test('D18: the table is the published one', () => {
  assert.deepEqual({ ...TRANSITIONS }, {
    CONNECTING: ['CONNECTED', 'FAILED'],
    CONNECTED: ['DISCONNECTED', 'CLOSING'],
    DISCONNECTED: ['CONNECTING', 'FAILED', 'CLOSED'],
    CLOSING: ['CLOSED'],
    FAILED: [],
    CLOSED: [],
  });
});

test('joined and left', async () => {
  const s = await watched().joined();
  await s.meeting.leave();
  assert.deepEqual(s.changes, [['CONNECTING', 'joining', null], ['CONNECTED', 'joined', null], ['CLOSING', 'leaving', 'left'], ['CLOSED', 'left', 'left']]);
  assert.equal(s.meeting.state, 'CLOSED');
});

test('D17: a loss is DISCONNECTED, then CONNECTING, and the detail says that it is the way back', async () => {
  const s = await watched().joined();
  s.platform.sockets.at(-1).break();
  await s.platform.advance(0);
  assert.deepEqual(s.changes.slice(2), [['DISCONNECTED', 'interrupted', 'connect-failed'], ['CONNECTING', 'reconnecting', 'connect-failed'], ['CONNECTED', 'reconnected', null]]);
});

test('refused: FAILED, and meeting-left with JOIN_ROOM_FAILED', async () => {
  const s = watched();
  s.hear('meeting-left');
  s.server.on.join = () => {
    throw { code: 'room-full' };
  };
  await assert.rejects(s.meeting.join(), { code: 'room-full', number: 4009 });
  assert.deepEqual(s.changes, [['CONNECTING', 'joining', null], ['FAILED', 'failed', 'room-full']]);
  assert.equal(s.log[0][1].code, 1103);
});

test('a way back that is not found is FAILED, 1102', async () => {
  const s = await watched({ reconnectForMs: 3000 }).joined();
  s.hear('meeting-left');
  s.server.reachable = false;
  s.platform.sockets.at(-1).break();
  await s.platform.advance(60_000);
  assert.deepEqual(s.changes.slice(2).map(([state]) => state), ['DISCONNECTED', 'CONNECTING', 'FAILED']);
  assert.deepEqual(s.log.map(([, { code, name }]) => [code, name]), [[1102, 'WEBSOCKET_CONNECTION_ATTEMPTS_EXHAUSTED']]);
});

test('given up while connecting, the first time or on the way back: FAILED by our own wish, and no error', async () => {
  const first = watched();
  first.hear('error', 'meeting-left');
  first.server.lobby = true;
  const join = first.meeting.join();
  await settle();
  await first.meeting.leave();
  await assert.rejects(join, { code: 'left' });
  assert.deepEqual(first.changes, [['CONNECTING', 'joining', null], ['FAILED', 'left', 'left']]);
  assert.deepEqual(first.log.map(([event, { code }]) => [event, code]), [['meeting-left', 1101]]);

  const back = await watched().joined();
  back.server.reachable = false;
  back.platform.sockets.at(-1).break();
  await back.platform.advance(10);
  await back.meeting.leave();
  assert.deepEqual(back.changes.at(-1), ['FAILED', 'left', 'left']);
});

for (const [code, reason, error] of [['room-closed', 1006], ['removed', 1002], ['duplicate-participant', 1011, 4005], ['token-expired', 1007, 4002]]) {
  test(`the server says goodbye (${code}): CLOSING, CLOSED, meeting-left ${reason}, ${error ? `error ${error}` : 'no error'}`, async () => {
    const s = await watched().joined();
    s.hear('meeting-left', 'error');
    s.server.event('bye', { code, message: 'Goodbye.', reconnect: false });
    assert.deepEqual(s.changes.slice(2), [['CLOSING', 'leaving', code], ['CLOSED', 'ended', code]]);
    assert.deepEqual(s.log.map(([event, r]) => [event, r.code]), [...(error ? [['error', error]] : []), ['meeting-left', reason]]);
  });
}

test('a node that drains is left and found again', async () => {
  const s = await watched().joined();
  s.server.event('bye', { code: 'node-draining', message: 'Moving.', reconnect: true });
  await s.platform.advance(1000);
  assert.deepEqual(s.changes.slice(2).map(([state]) => state), ['DISCONNECTED', 'CONNECTING', 'CONNECTED']);
});

test('D17: stateModel v1 speaks of RECONNECTING, and DISCONNECTED comes once, at the end', async () => {
  const s = await watched({ stateModel: 'v1' }).joined();
  s.platform.sockets.at(-1).break();
  await s.platform.advance(0);
  await s.meeting.leave();
  assert.deepEqual(s.changes.map(([state]) => state), ['CONNECTING', 'CONNECTED', 'RECONNECTING', 'CONNECTED', 'DISCONNECTED']);

  const gone = await watched({ stateModel: 'v1', reconnectForMs: 3000 }).joined();
  gone.server.reachable = false;
  gone.platform.sockets.at(-1).break();
  await gone.platform.advance(60_000);
  assert.deepEqual(gone.changes.map(([state]) => state), ['CONNECTING', 'CONNECTED', 'RECONNECTING', 'FAILED']);
});

test('no illegal step under losses without number', async () => {
  const s = await watched().joined();
  for (let i = 0; i < 30; i++) {
    if (i % 5 === 4) s.server.sessions.clear();
    s.server.reachable = i % 3 !== 0;
    s.platform.sockets.at(-1).break();
    await s.platform.advance(700 * (i % 4));
    s.server.reachable = true;
    await s.platform.advance(15_000);
    assert.equal(s.meeting.state, 'CONNECTED');
  }
  await s.meeting.leave();
  assert.equal(s.meeting.state, 'CLOSED');
});
