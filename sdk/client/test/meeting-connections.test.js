/** Connections between meetings, ruling by ruling (docs/MEETING_API.md says what each letter and number means). */
import assert from 'node:assert/strict';
import test from 'node:test';
import { meetingScene, person, settle } from './support.js';

const who = (id) => ({ id, displayName: id.toUpperCase() });
const open = (more = {}) => ({ link: 'r2', payload: 'Hello Everyone.', rights: ['roster', 'chat', 'switch', 'end'], participants: [who('zoe')], ...more });

/** A joined meeting with a connection to r2. */
async function connected() {
  const s = await meetingScene().joined();
  s.server.event('link.opened', open());
  return { s, connection: s.meeting.connections.get('r2') };
}

test('D3: connectTo gives the Connection, after connection-open told of it', async () => {
  const s = await meetingScene().joined();
  s.hear('connection-open');
  const connection = await s.meeting.connectTo({ meetingId: 'r2', payload: 'Hello', wait: 100 });
  assert.equal(s.log.length, 1);
  assert.equal(s.log[0][1], connection);
  assert.deepEqual(s.log[0][2], { replayed: false });
  assert.equal(s.meeting.connections.get('r2'), connection);
  assert.deepEqual(s.asked('link.open'), [{ room: 'r2', payload: 'Hello', waitMs: 100 }]);
});

test('D4: connectTo twice gives the same Connection and one event', async () => {
  const s = await meetingScene().joined();
  s.hear('connection-open');
  const [first, second] = await Promise.all([s.meeting.connectTo({ meetingId: 'r2' }), s.meeting.connectTo({ meetingId: 'r2' })]);
  assert.equal(first, second);
  assert.equal(s.log.length, 1);
});

test('D1, D2, D5: what the server refuses rejects with its code, and forbidden with 4025', async () => {
  const s = await meetingScene().joined();
  s.hear('error');
  for (const code of ['room-not-found', 'room-not-live', 'same-room', 'link-denied', 'link-timeout']) {
    s.server.on['link.open'] = () => {
      throw { code };
    };
    await assert.rejects(s.meeting.connectTo({ meetingId: 'r2' }), { code, number: null });
  }
  assert.deepEqual(s.log, []);
  s.server.on['link.open'] = () => {
    throw { code: 'forbidden' };
  };
  await assert.rejects(s.meeting.connectTo({ meetingId: 'r2' }), { code: 'forbidden', number: 4025 });
  assert.equal(s.log[0][1].code, 4025);
  await assert.rejects(s.meeting.connectTo({}), { code: 'invalid-argument', number: 3073 });
  await assert.rejects(s.meeting.connectTo(), { code: 'invalid-argument', number: 3073 });
});

test('D7: connections are there before meeting-joined, then told once each as replayed', async () => {
  const s = meetingScene();
  s.server.links = [open(), open({ link: 'r3' })];
  s.meeting.on('meeting-joined', () => s.log.push(['meeting-joined', [...s.meeting.connections.keys()]]));
  s.meeting.on('connection-open', (connection, { replayed }) => s.log.push(['connection-open', connection.id, replayed]));
  await s.joined();
  assert.deepEqual(s.log, [['meeting-joined', ['r2', 'r3']], ['connection-open', 'r2', true], ['connection-open', 'r3', true]]);
});

test('D7: a listener that comes late gets what is open once, and not before it was set', async () => {
  const { s, connection } = await connected();
  const got = [];
  const listener = (c, { replayed }) => got.push([c, replayed]);
  s.meeting.on('connection-open', listener);
  assert.deepEqual(got, []);
  await settle();
  assert.deepEqual(got, [[connection, true]]);
  s.meeting.off('connection-open', listener);
  s.meeting.on('connection-open', listener);
  await settle();
  assert.equal(got.length, 1, 'the same listener is not told twice');
  s.server.event('link.opened', open({ link: 'r3' }));
  assert.deepEqual(got[1].slice(1), [false]);
});

test('D7: a late listener is told neither of a connection that closed meanwhile nor once it was taken off', async () => {
  const { s } = await connected();
  const got = [];
  s.meeting.on('connection-open', (c) => got.push(c.id));
  s.server.event('link.closed', { link: 'r2', reason: 'closed-remote' });
  await settle();
  s.server.event('link.opened', open());
  const off = s.meeting.on('connection-open', (c) => got.push(`late ${c.id}`));
  off();
  await settle();
  assert.deepEqual(got, ['r2']);
  s.meeting.once('connection-open', (c) => got.push(`once ${c.id}`));
  await settle();
  assert.deepEqual(got, ['r2', 'once r2']);
});

test('D8, D28, D29: one Connection with id, roomId, any payload and a view of the meeting', async () => {
  const s = meetingScene();
  s.server.links = [open({ payload: { any: ['json'] } })];
  await s.joined();
  const connection = s.meeting.connections.get('r2');
  assert.deepEqual([connection.id, connection.roomId, connection.payload, connection.replayed, connection.meeting.id], ['r2', 'r2', { any: ['json'] }, true, 'r2']);
  assert.deepEqual([...connection.rights], ['roster', 'chat', 'switch', 'end']);
});

test('D12, D16: participants with exactly id and displayName; left with the id, the name and the reason', async () => {
  const { s, connection } = await connected();
  const log = [];
  connection.meeting.on('participant-joined', (p) => log.push(['joined', { ...p }]));
  connection.meeting.on('participant-left', (...args) => log.push(['left', ...args]));
  assert.deepEqual({ ...connection.meeting.participants.get('zoe') }, who('zoe'));
  s.server.event('link.roster', { link: 'r2', joined: [who('yan')], left: [] });
  s.server.event('link.roster', { link: 'r2', joined: [{ id: 'yan', displayName: 'Y.' }], left: ['zoe'] });
  assert.deepEqual(log, [['joined', who('yan')], ['left', 'zoe', { displayName: 'ZOE', reason: 'left' }]]);
  assert.deepEqual([...connection.meeting.participants.values()].map((p) => ({ ...p })), [{ id: 'yan', displayName: 'Y.' }]);
});

test('D10: leaves first, then connection-close with id and reason; the meeting goes on', async () => {
  const { s, connection } = await connected();
  connection.meeting.on('participant-left', (id, { reason }) => s.log.push(['left', id, reason]));
  s.hear('connection-close', 'meeting-left');
  s.server.event('link.closed', { link: 'r2', reason: 'remote-ended' });
  assert.deepEqual(s.log, [['left', 'zoe', 'remote-ended'], ['connection-close', 'r2', 'remote-ended']]);
  assert.deepEqual([s.meeting.connections.size, connection.closed, s.meeting.state], [0, true, 'CONNECTED']);
  await assert.rejects(connection.meeting.sendChatMessage('x'), { code: 'link-closed' });
  await connection.close();
});

test('D14: chat-message with text, author, id, time, name and connection; the sender gets a receipt', async () => {
  const { s, connection } = await connected();
  const got = [];
  connection.meeting.on('chat-message', (m) => got.push(m));
  s.server.event('link.chat', { link: 'r2', message: 'm1', participant: 'zoe', displayName: 'ZOE', text: 'hi', timestampMs: 7 });
  assert.deepEqual(got, [{ message: 'hi', participantId: 'zoe', id: 'm1', timestamp: 7, senderName: 'ZOE', connectionId: 'r2' }]);
  assert.deepEqual(await connection.meeting.sendChatMessage('Hi there, from MARS!'), { id: 'l-1', timestamp: 6 });
  assert.deepEqual(s.asked('link.chat'), [{ link: 'r2', text: 'Hi there, from MARS!' }]);
  for (const nonsense of ['', 7, undefined]) await assert.rejects(connection.meeting.sendChatMessage(nonsense), { number: 3073 });
});

test('D14b: no echo by default; with echo the others here get chat-message-sent', async () => {
  const { s, connection } = await connected();
  const got = [];
  connection.meeting.on('chat-message-sent', (m) => got.push(m.message));
  connection.meeting.on('chat-message', () => got.push('wrong'));
  await connection.meeting.sendChatMessage('hi', { echo: true });
  assert.equal(s.asked('link.chat')[0].echo, true);
  s.server.event('link.chat.sent', { link: 'r2', message: 'm1', participant: 'bob', displayName: 'BOB', text: 'over there', timestampMs: 7 });
  assert.deepEqual(got, ['over there']);
});

test('D15: chat-meesage is taken for chat-message, with one warning', async (t) => {
  const warn = t.mock.method(console, 'warn', () => {});
  const { s, connection } = await connected();
  const got = [];
  const listener = (m) => got.push(m.message);
  connection.meeting.on('chat-meesage', listener);
  connection.meeting.on('chat-meesage', listener);
  const say = (text) => s.server.event('link.chat', { link: 'r2', message: text, participant: 'zoe', displayName: 'Z', text, timestampMs: 1 });
  say('one');
  connection.meeting.off('chat-meesage', listener);
  say('two');
  assert.deepEqual([got, warn.mock.callCount()], [['one'], 1]);
});

test('D9: end and close ask; a right that is lacking rejects with 4025', async () => {
  const { s, connection } = await connected();
  await connection.meeting.end();
  await connection.close();
  assert.deepEqual([s.asked('link.end'), s.asked('link.close')], [[{ link: 'r2' }], [{ link: 'r2' }]]);
  s.server.on['link.end'] = () => {
    throw { code: 'link-right' };
  };
  await assert.rejects(connection.meeting.end(), { code: 'link-right', number: 4025 });
});

test('D31: switchTo asks one participant, there or here, with a token', async () => {
  const { s, connection } = await connected();
  s.server.event('participant.joined', { participant: person('bob') });
  await connection.meeting.participants.get('zoe').switchTo({ meetingId: 'r1', token: 'jwt', payload: { seat: 3 } });
  await s.meeting.participants.get('bob').switchTo({ meetingId: 'r9', token: 'jwt' });
  assert.deepEqual(s.asked('switch'), [
    { participant: 'zoe', link: 'r2', room: 'r1', token: 'jwt', payload: { seat: 3 } },
    { participant: 'bob', room: 'r9', token: 'jwt' },
  ]);
  await assert.rejects(connection.meeting.participants.get('zoe').switchTo({ meetingId: 'r1' }), { number: 3073 });
  s.server.on.switch = () => {
    throw { code: 'no-such-participant' };
  };
  await assert.rejects(connection.meeting.participants.get('zoe').switchTo({ meetingId: 'r1', token: 'jwt' }), { code: 'no-such-participant', number: 4077 });
});

test('D11, D35: switch-meeting carries exactly one pair of who asks, and moves nobody', async () => {
  const { s } = await connected();
  s.meeting.on('switch-meeting', ({ accept, ...request }) => s.log.push([request, typeof accept]));
  s.server.event('switch', { room: 'r2', token: 'jwt', payload: 'come', participant: 'zoe', link: 'r2' });
  s.server.event('switch', { room: 'r3', token: 'jwt', payload: null, participant: 'bob', link: null });
  await settle();
  assert.deepEqual(s.log, [
    [{ meetingId: 'r2', token: 'jwt', payload: 'come', connectionParticipantId: 'zoe', connectionMeetingId: 'r2' }, 'function'],
    [{ meetingId: 'r3', token: 'jwt', payload: null, participantId: 'bob' }, 'function'],
  ]);
  assert.deepEqual([s.meeting.id, s.platform.sockets.length], ['r1', 1]);
});

test('D31: accept moves ourselves: everybody here leaves, meeting-joined comes again, microphone and camera come along', async () => {
  const s = meetingScene({ micEnabled: true });
  s.server.links = [open()];
  await s.joined(person('bob'));
  await s.meeting.enableWebcam();
  s.hear('participant-left', 'connection-close', 'meeting-joined', 'participant-joined', 'meeting-left', 'meeting-state-changed');
  let ask;
  s.meeting.on('switch-meeting', (request) => (ask = request));
  s.server.event('switch', { room: 'r2', token: 'for-r2', payload: null, participant: 'zoe', link: 'r2' });
  s.server.participants = [person('zoe')];
  s.server.links = [];
  const moved = ask.accept();
  await settle(400);
  await moved;
  await settle(100);
  const [, join] = s.server.requests('join');
  assert.deepEqual([join.room, join.token, join.intent], ['r2', 'for-r2', 'join']);
  assert.deepEqual(s.log.map(([event, first, second]) => [event, first?.id ?? first, second?.name ?? second]), [
    ['participant-left', 'bob', 'SWITCH_ROOM'], ['connection-close', 'r2', 'left'], ['meeting-joined', undefined, undefined],
    ['participant-joined', 'zoe', undefined],
  ]);
  assert.deepEqual([s.meeting.id, s.meeting.state, [...s.meeting.participants.keys()]], ['r2', 'CONNECTED', ['zoe']]);
  assert.ok(s.meeting.localParticipant.micOn && s.meeting.localParticipant.webcamOn);
  assert.equal(s.server.requests('leave').length, 1);
  assert.equal(s.platform.sockets.filter((socket) => socket.readyState === 1).length, 1);
});

test('switchTo that fails leaves us where we are, connected, with 4076', async () => {
  const s = await meetingScene().joined(person('bob'));
  s.hear('participant-left', 'meeting-left');
  s.server.on.join = () => {
    throw { code: 'room-not-found' };
  };
  await assert.rejects(s.meeting.switchTo({ meetingId: 'r2', token: 't2' }), { code: 'room-not-found', number: 4076 });
  await assert.rejects(s.meeting.switchTo({ meetingId: 'r1', token: 't2' }), { number: 3073 });
  assert.deepEqual([s.meeting.id, s.meeting.state, s.log, [...s.meeting.participants.keys()]], ['r1', 'CONNECTED', [], ['bob']]);
});

test('topics and data follow us to the next meeting', async () => {
  const s = await meetingScene().joined();
  const got = [];
  await s.meeting.pubSub.subscribe('CHAT', (m) => got.push(m.message));
  s.meeting.on('data', () => {});
  const moved = s.meeting.switchTo({ meetingId: 'r2', token: 't2' });
  await settle(400);
  await moved;
  await settle(50);
  s.server.event('topic.message', { message: 'm-2', topic: 'CHAT', participant: 'zoe', displayName: 'Z', payload: { message: 'here' }, timestampMs: 2 });
  assert.deepEqual(got, ['here']);
  assert.deepEqual(s.platform.peers.at(-1).channels.map((c) => c.label), ['meeting.reliable', 'meeting.unreliable']);
});

test('D1: a request for a connection is told with accept and reject', async () => {
  const s = await meetingScene().joined();
  s.hear('connection-requested');
  s.server.event('link.requested', { request: 3, room: 'r2', participant: 'zoe', displayName: 'ZOE', payload: 'p', expiresMs: 30000 });
  const [[, { accept, reject, ...request }]] = s.log;
  assert.deepEqual(request, { connectionId: 'r2', meetingId: 'r2', participantId: 'zoe', displayName: 'ZOE', payload: 'p', expiresMs: 30000 });
  await accept();
  await reject();
  assert.deepEqual(s.asked('link.respond'), [{ request: 3, accept: true }, { request: 3, accept: false }]);
});

test('D32: a stale connection says so, and its roster stays', async () => {
  const { s, connection } = await connected();
  const got = [];
  connection.meeting.on('state-changed', (state) => got.push(state));
  s.server.event('link.state', { link: 'r2', stale: true });
  assert.deepEqual([got, connection.meeting.stale, connection.meeting.participants.size], [[{ stale: true }], true, 1]);
});

test('a listener that throws keeps nobody else from hearing', async (t) => {
  t.mock.method(console, 'error', () => {});
  const s = meetingScene();
  s.server.links = [open()];
  s.meeting.on('connection-open', () => {
    throw new Error('mine');
  });
  s.hear('connection-open');
  await s.joined();
  s.meeting.on('connection-open', () => {
    throw new Error('late');
  });
  s.meeting.on('connection-open', (c) => s.log.push(['late', c.id]));
  await settle();
  assert.deepEqual(s.log.map(([event]) => event), ['connection-open', 'late']);
  assert.equal(s.meeting.state, 'CONNECTED');
});
