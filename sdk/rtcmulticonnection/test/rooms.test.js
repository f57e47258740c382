import assert from 'node:assert/strict';
import test from 'node:test';
import { person, scene, settle } from './support.js';

const refuse = (s, code) => {
  s.server.on.join = () => {
    throw { code };
  };
};

test('open begins the room with the camera, and says so', async () => {
  const s = scene();
  s.connection.extra = { name: 'Ann' };
  const [succeeded, roomid, error, detail] = await s.opened();
  assert.deepEqual([succeeded, roomid, error, detail], [true, 'room', null, { created: true, ownerId: 'me', sid: 's1' }]);
  const [join] = s.server.requests('join');
  assert.deepEqual(
    { ...join, versions: undefined, client: undefined },
    {
      id: 1, type: 'join', versions: undefined, client: undefined, token: 'dev-token', room: 'room', participant: 'me', displayName: 'Ann', metadata: { name: 'Ann' },
      intent: 'open', autoSubscribe: true, settings: { keepEmpty: false, closeWithOwner: false, info: { session: { audio: true, video: true } }, lobby: false },
    },
  );
  assert.equal(s.connection.isInitiator, true);
  assert.deepEqual(s.server.requests('offer')[0].publish.map(({ source }) => source), ['microphone', 'camera']);
  assert.deepEqual(s.of('onstream').map(([e]) => [e.type, e.userid]), [['local', 'me']]);
});

test('a second open gets the text of the original and the code that tells the two cases apart, and opens no camera', async () => {
  const s = scene();
  s.exists();
  const [succeeded, roomid, error, detail] = await s.ask('open', 'room');
  assert.deepEqual([succeeded, roomid, error, detail.code], [false, 'room', 'Room not available', 'ROOM_EXISTS']);
  assert.equal(s.connection.isInitiator, false);
  assert.equal(s.asked.length, 0);
  assert.equal(s.server.requests('join').length, 0);
});

test('joining a room that is not there opens no camera either', async () => {
  const s = scene();
  const [succeeded, , error, { code }] = await s.ask('join', 'room');
  assert.deepEqual([succeeded, error, code, s.asked.length], [false, 'Room not available', 'ROOM_NOT_FOUND', 0]);
});

for (const [code, text, constant] of [
  ['room-exists', 'Room not available', 'ROOM_EXISTS'],
  ['room-not-found', 'Room not available', 'ROOM_NOT_FOUND'],
  ['password-wrong', 'Invalid password', 'PASSWORD_WRONG'],
  ['password-required', 'Invalid password', 'PASSWORD_REQUIRED'],
  ['room-full', 'Room full', 'ROOM_FULL'],
  ['entry-denied', 'Room permission denied', 'ENTRY_DENIED'],
]) {
  test(`the server's ${code} is "${text}" with ${constant}`, async () => {
    const s = scene();
    refuse(s, code);
    const [succeeded, roomid, error, detail] = await s.ask('openOrJoin', 'room');
    assert.deepEqual([succeeded, roomid, error, detail.code], [false, 'room', text, constant]);
    assert.equal(s.connection.isInitiator, false);
  });
}

test('a wrong password is told by an event as well', async () => {
  const s = scene();
  s.connection.password = 'abc';
  refuse(s, 'password-wrong');
  await s.ask('openOrJoin', 'room');
  assert.deepEqual(s.of('onInvalidPassword'), [['room', 'abc']]);
  refuse(s, 'password-required');
  await s.ask('openOrJoin', 'room');
  assert.deepEqual(s.of('onJoinWithPassword'), [['room']]);
  refuse(s, 'room-full');
  await s.ask('openOrJoin', 'room');
  assert.deepEqual(s.of('onRoomFull'), [['room']]);
});

test('openOrJoin is one question to the server, and both outcomes are a success', async () => {
  const s = scene();
  const first = await s.ask('openOrJoin', 'room');
  assert.deepEqual([first[0], first[3].created, s.connection.isInitiator], [true, true, true]);
  assert.equal(s.server.requests('join')[0].intent, undefined); // `any` is what a join without intent means
  assert.equal(s.server.requests('presence').length, 0);

  const other = scene();
  other.server.about = { created: false, owner: 'ann' };
  const second = await other.ask('openOrJoin', 'room');
  assert.deepEqual([second[0], second[3], other.connection.isInitiator], [true, { created: false, ownerId: 'ann', sid: 's1' }, false]);
});

test('checkPresence gives the extra of the owner and what is known of the room, never an error', async () => {
  const s = scene();
  assert.deepEqual(await s.ask('checkPresence', 'room'), [false, 'room', { _room: { isFull: false, isPasswordProtected: false } }]);
  s.exists({ full: true, passwordProtected: true });
  assert.deepEqual(await s.ask('checkPresence', 'other'), [true, 'other', { name: 'Ann', _room: { isFull: true, isPasswordProtected: true } }]);
  s.server.on.presence = undefined;
  s.server.reachable = false;
  assert.deepEqual(await s.ask('checkPresence', 'room'), [false, 'room', { _room: { isFull: false, isPasswordProtected: false } }]);
  assert.equal(s.of('onSocketError')[0][0].code, 'connect-failed');
});

test('the settings of a room come from the properties of the connection', async () => {
  const s = scene();
  Object.assign(s.connection, { password: 'abc', publicRoomIdentifier: 'demo', maxParticipantsAllowed: 7, autoCloseEntireSession: true });
  s.connection.onNewParticipant = () => {};
  await s.opened();
  const { settings, password } = s.server.requests('join')[0];
  assert.deepEqual([settings.password, settings.listing, settings.maxParticipants, settings.closeWithOwner, settings.lobby, password], ['abc', 'demo', 7, true, true, 'abc']);
});

test('maxParticipantsAllowed of 1 means two, with a warning', async (t) => {
  t.mock.method(console, 'warn', () => {});
  const s = scene();
  s.connection.maxParticipantsAllowed = 1;
  await s.opened();
  assert.equal(s.server.requests('join')[0].settings.maxParticipants, 2);
  assert.equal(console.warn.mock.callCount(), 1);
});

test('in a one-way room only the owner opens a camera and sends', async () => {
  const owner = scene({ session: { audio: true, video: true, oneway: true } });
  await owner.opened();
  assert.equal(owner.server.requests('join')[0].settings.closeWithOwner, true);
  assert.equal(owner.server.requests('offer')[0].publish.length, 2);

  const viewer = scene();
  viewer.exists({ info: { session: { audio: true, video: true, oneway: true } } });
  await viewer.ask('join', 'room');
  assert.equal(viewer.server.requests('join')[0].mode, 'receiveOnly');
  assert.equal(viewer.asked.length, 0);
});

test('openOrJoin of a one-way room opens the camera when it turns out to be ours, and only then', async () => {
  const owner = scene({ session: { audio: true, video: true, oneway: true } });
  await owner.ask('openOrJoin', 'room');
  assert.deepEqual([owner.asked.length, owner.connection.isInitiator], [1, true]);

  const viewer = scene({ session: { audio: true, video: true, oneway: true } });
  viewer.server.about = { created: false, owner: 'ann' };
  await viewer.ask('openOrJoin', 'room');
  assert.equal(viewer.asked.length, 0);
  assert.equal(viewer.server.requests('update')[0].mode, 'receiveOnly');
});

test('leave is at once: the room is told, and nothing is heard of it any more', async () => {
  const s = scene();
  s.server.participants = [person('bob')];
  await s.opened();
  s.connection.leave();
  assert.deepEqual([s.connection.isInitiator, s.connection.isOnline, s.connection.getAllParticipants()], [false, false, []]);
  assert.deepEqual(s.of('onleave').map(([e]) => e.userid), ['bob']);
  await settle(200);
  assert.equal(s.server.requests('leave').length, 1);
  assert.equal(s.connection.attachStreams[0].getTracks()[0].readyState, 'live');
});

test('leave while entering ends that too, with an answer', async () => {
  const s = scene();
  let answer;
  s.connection.openOrJoin('room', (...args) => (answer = args));
  s.connection.leave();
  await settle(200);
  assert.deepEqual([answer[0], answer[3].code], [false, 'LEFT']);
  assert.equal(s.connection.isOnline, false);
});

test('who enters another room leaves the one before, first', async () => {
  const s = scene();
  await s.opened();
  await s.ask('open', 'second');
  assert.deepEqual(s.server.log.filter(({ type }) => type === 'join' || type === 'leave').map(({ type, room }) => room ?? type), ['room', 'leave', 'second']);
  assert.equal(s.connection.sessionid, 'second');
  assert.deepEqual(s.of('onstream').length, 1); // the camera stays the same
});

test('closeEntireSession is the owner\'s, and everybody is told', async () => {
  const s = scene();
  assert.deepEqual((await s.ask('closeEntireSession')).slice(0, 3), [false, 'room', 'Did not join any room yet']);
  await s.opened();
  s.server.on['room.close'] = () => {
    s.server.event('bye', { code: 'room-closed', message: 'The room was closed.', reconnect: false });
    return null;
  };
  assert.deepEqual((await s.ask('closeEntireSession')).slice(0, 3), [true, 'room', null]);
  assert.deepEqual(s.of('onEntireSessionClosed'), [[{ sessionid: 'room', userid: 'me', extra: {} }]]);
  assert.equal(s.connection.isInitiator, false);

  const other = scene();
  other.exists();
  other.server.participants = [person('ann')];
  await other.ask('join', 'room');
  const [succeeded, , error, { code }] = await other.ask('closeEntireSession');
  assert.deepEqual([succeeded, error, code], [false, 'Room permission denied', 'FORBIDDEN']);
  assert.equal(other.server.requests('room.close').length, 0);
  other.server.event('bye', { code: 'room-closed', message: 'The room was closed.', reconnect: false });
  await settle();
  assert.deepEqual(other.of('onEntireSessionClosed').map(([e]) => [e.sessionid, e.userid]), [['room', 'ann']]);
});

test('when the owner leaves and we are next, isInitiator turns true', async () => {
  const s = scene();
  s.exists();
  await s.ask('join', 'room');
  assert.equal(s.connection.isInitiator, false);
  s.server.event('room.updated', { owner: 'me', settings: {} });
  assert.equal(s.connection.isInitiator, true);
  assert.deepEqual(s.of('onOwnerChanged'), [[{ userid: 'me', isInitiator: true }]]);
});

test('setPassword: in no room, as owner, as somebody else', async () => {
  const s = scene();
  assert.deepEqual((await s.ask('setPassword', 'abc')).slice(0, 3), [null, null, 'Did not join any room yet']);
  await s.opened();
  assert.deepEqual((await s.ask('setPassword', 'abc')).slice(0, 3), [true, 'room', null]);
  assert.deepEqual(s.server.requests('room.update')[0].settings, { password: 'abc' });
  await s.ask('setPassword', '');
  assert.deepEqual(s.server.requests('room.update')[1].settings, { password: null });
  const other = scene();
  other.exists();
  await other.ask('join', 'room');
  assert.deepEqual((await other.ask('setPassword', 'abc')).slice(0, 3), [false, 'room', 'Room permission denied']);
});

test('changeUserId comes under the new name before it goes under the old, with the same streams', async () => {
  const s = scene();
  await s.opened();
  assert.deepEqual((await s.ask('changeUserId', 'ann')).slice(0, 3), [true, 'ann', null]);
  assert.equal(s.connection.userid, 'ann');
  assert.deepEqual(s.server.log.filter(({ type }) => type === 'join' || type === 'leave').map(({ type, participant }) => participant ?? type), ['me', 'ann', 'leave']);
  assert.equal(s.server.requests('offer').at(-1).publish.length, 2);
  assert.equal(s.of('onstream').length, 1);
  assert.equal(s.connection.streamEvents.selectFirst('local').userid, 'ann');

  refuse(s, 'room-full');
  assert.deepEqual((await s.ask('changeUserId', 'eve')).slice(0, 3), [false, 'ann', 'Room full']);
  assert.deepEqual([s.connection.userid, s.connection.isOnline], ['ann', true]);
});

test('leave while the id is being changed, at whatever point, leaves under both', async () => {
  for (let moment = 0; moment < 100; moment++) {
    const s = scene();
    await s.opened();
    let answer;
    s.connection.changeUserId('ann', (...args) => (answer = args));
    await settle(moment);
    s.connection.leave();
    await settle(300);
    assert.equal(s.connection.isOnline, false, `after ${moment}`);
    assert.ok(answer, `after ${moment}`);
    const count = (type) => s.server.requests(type).length;
    assert.equal(count('join') - count('leave'), 0, `after ${moment}`);
  }
});

test('the owner of a room that closes with its owner keeps their id', async () => {
  const s = scene();
  s.server.about.settings = { closeWithOwner: true };
  await s.opened();
  assert.deepEqual((await s.ask('changeUserId', 'ann')).slice(0, 2), [false, 'me']);
  assert.equal(s.server.requests('join').length, 1);
});

test('whose id is taken over joins again under another one', async () => {
  const s = scene();
  delete s.connection.onUserIdAlreadyTaken;
  s.exists();
  await s.ask('join', 'room');
  s.server.event('bye', { code: 'duplicate-participant', message: 'Somebody else.', reconnect: false });
  await settle(200);
  assert.equal(s.server.requests('join').length, 2);
  assert.notEqual(s.server.requests('join')[1].participant, 'me');
  assert.equal(s.connection.userid, s.server.requests('join')[1].participant);
});

test('a lost connection mends itself, and tells', async () => {
  const s = scene();
  s.server.participants = [person('bob')];
  await s.opened();
  s.platform.sockets.at(-1).break();
  assert.deepEqual([s.of('onReConnecting').length, s.connection.isOnline], [1, false]);
  await s.platform.advance(2000);
  assert.equal(s.connection.isOnline, true);
  assert.deepEqual([s.of('onleave').length, s.connection.getAllParticipants()], [0, ['bob']]);
});

test('whoever is sent out is told why', async () => {
  const s = scene();
  await s.opened();
  s.server.event('bye', { code: 'removed', message: 'Out.', reconnect: false });
  await settle();
  assert.deepEqual(s.of('onSocketDisconnect'), [[{ code: 'REMOVED', message: 'Out.' }]]);
});

test('getPublicRooms lists what was opened under the identifier', async () => {
  const s = scene();
  s.server.on.rooms = ({ listing }) => ({
    rooms: [{ room: `in-${listing}`, exists: true, participants: 2, maxParticipants: 5, full: false, passwordProtected: true, owner: { id: 'ann', displayName: '', metadata: { a: 1 } }, info: { session: { audio: true } } }],
  });
  const expected = [{
    sessionid: 'in-demo', owner: 'ann', participants: ['ann', ''], extra: { a: 1 }, session: { audio: true }, maxParticipantsAllowed: 5, isRoomFull: false, isPasswordProtected: true,
  }];
  assert.deepEqual(await s.ask('getPublicRooms', 'demo'), [expected]);
  let viaSocket;
  s.connection.getSocket().emit('get-public-rooms', 'demo', (rooms) => (viaSocket = rooms));
  await settle(100);
  assert.deepEqual(viaSocket, expected);
  assert.deepEqual(await s.ask('getPublicRooms', null), [[], 'publicRoomIdentifier is required']);
});

test('whoever knocks is let in by a handler of the owner\'s, and by nobody else', async () => {
  const s = scene();
  s.connection.onNewParticipant = (id, { extra }) => extra.good && s.connection.acceptParticipationRequest(id);
  await s.opened();
  s.server.event('entry.requested', { participant: 'eve', displayName: 'Eve', metadata: {} });
  s.server.event('entry.requested', { participant: 'bob', displayName: 'Bob', metadata: { good: true } });
  await settle();
  assert.deepEqual(s.server.requests('entry.respond').map(({ participant, allow }) => [participant, allow]), [['bob', true]]);
});

test('calls follow one another in the order they were made, from before the rest has loaded', async () => {
  const s = scene();
  const told = [];
  s.connection.open('one', () => told.push('one'));
  s.connection.leave();
  s.connection.open('two', () => told.push('two'));
  await settle(300);
  assert.deepEqual(told, ['one', 'two']);
  assert.deepEqual([s.connection.sessionid, s.connection.isOnline], ['two', true]);
});

test('join returns a description at once, and rejoin takes it', async () => {
  const s = scene();
  s.exists();
  const description = s.connection.join('room');
  assert.equal(description.remoteUserId, 'room');
  await settle(200);
  s.connection.rejoin(description);
  await settle(200);
  assert.deepEqual(s.server.log.filter(({ type }) => type === 'join' || type === 'leave').map(({ type }) => type), ['join', 'leave', 'join']);
  assert.equal(s.of('onReConnecting').length, 1);
});

test('a callback that throws harms nobody', async (t) => {
  t.mock.method(console, 'error', () => {});
  const s = scene();
  s.server.participants = [person('bob')];
  s.connection.openOrJoin('room', () => {
    throw new Error('a bug of the page');
  });
  await settle(200);
  assert.deepEqual(s.connection.getAllParticipants(), ['bob']);
});
