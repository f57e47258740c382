import assert from 'node:assert/strict';
import test from 'node:test';
import { listRooms, presence } from '../client.js';
import { fakePlatform } from './fake-platform.js';
import { ScriptedServer } from './scripted-server.js';
import { FakeTrack, person, scene, settle } from './support.js';

const settings = { maxParticipants: null, closeWithOwner: false, keepEmpty: true, listing: null, info: null, lobby: false, lastN: null, linkPolicy: 'auto', linkRights: [], passwordProtected: false };

test('intent, password, settings and mode go with the join', async () => {
  const s = await scene({ intent: 'open', password: 'pw', settings: { lobby: true }, mode: 'receiveOnly' }).joined();
  const { intent, password, settings: given, mode } = s.server.requests('join')[0];
  assert.deepEqual([intent, password, given, mode], ['open', 'pw', { lobby: true }, 'receiveOnly']);
});

test('who comes back does not care whether the room is there', async () => {
  const s = await scene({ intent: 'open', password: 'pw' }).joined();
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(1000);
  const again = s.server.requests('join')[1];
  assert.deepEqual([again.intent, again.password], [undefined, 'pw']);
});

test('a password that we changed is the one we come back with', async () => {
  const s = await scene({ password: 'old' }).joined();
  await s.room.updateSettings({ password: 'new' });
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(1000);
  assert.equal(s.server.requests('join')[1].password, 'new');
});

test('the join says whether it began the room, who owns it, what is allowed, what is pinned', async () => {
  const s = scene();
  s.server.about = { created: true, owner: 'me', permissions: ['talk', 'moderate'], settings };
  s.server.pins = [{ participant: 'bob', camera: true, screen: false, by: 'me' }];
  await s.joined();
  assert.deepEqual([s.room.created, s.room.owner, s.room.isOwner, s.room.settings], [true, 'me', true, settings]);
  assert.deepEqual([...s.room.permissions], ['talk', 'moderate']);
  assert.deepEqual([...s.room.pins], [['bob', { camera: true, screen: false, by: 'me' }]]);
  s.hear('room-updated');
  s.server.event('room.updated', { owner: 'bob', settings: { ...settings, lobby: true } });
  assert.deepEqual([s.room.isOwner, s.room.owner, s.room.settings.lobby, s.heard.length], [false, 'bob', true, 1]);
});

test('the lobby: waiting, then in', async () => {
  const s = scene();
  s.server.lobby = true;
  s.hear('waiting', 'state');
  const join = s.room.join();
  await settle();
  assert.deepEqual(s.heard, [['state', 'connecting', 'new', null], ['waiting']]);
  await s.platform.advance(60_000);
  assert.equal(s.server.requests('join').length, 1, 'patience');
  s.server.decide(null);
  await join;
  assert.equal(s.room.state, 'connected');
});

test('the lobby: turned away, and left by oneself', async () => {
  const s = scene();
  s.server.lobby = true;
  const join = s.room.join();
  await settle();
  s.server.decide({ code: 'entry-denied' });
  await assert.rejects(join, { code: 'entry-denied' });
  assert.equal(s.room.state, 'closed');

  const other = scene();
  other.server.lobby = true;
  const waiting = other.room.join();
  await settle();
  await other.room.leave();
  await assert.rejects(waiting, { code: 'left' });
});

test('the lobby: a way to the server that breaks again and again is tried again, and not without a pause', async () => {
  const s = scene();
  s.server.lobby = true;
  const join = s.room.join();
  for (let i = 0; i < 6; i++) {
    await s.platform.advance(400);
    s.socket.break();
    await settle();
  }
  assert.equal(s.server.requests('join').length, 6);
  await s.platform.advance(400);
  s.server.decide(null);
  await join;
});

test('those who may let in are asked, and told when it is settled', async () => {
  const s = await scene().joined();
  s.hear('entry-requested', 'entry-responded');
  s.server.event('entry.requested', { participant: 'eve', displayName: 'Eve', metadata: { a: 1 } });
  const [[, asked]] = s.heard;
  assert.deepEqual([asked.participant, asked.displayName, asked.metadata], ['eve', 'Eve', { a: 1 }]);
  await asked.allow();
  await asked.deny();
  await s.room.respondEntry('eve', true);
  assert.deepEqual(s.server.requests('entry.respond').map((m) => [m.participant, m.allow]), [['eve', true], ['eve', false], ['eve', true]]);
  s.server.event('entry.responded', { participant: 'eve', allow: true, by: 'me' });
  assert.deepEqual(s.heard[1], ['entry-responded', { participant: 'eve', allow: true, by: 'me' }]);
});

test('a moderator who mutes us finds us muted; one who asks us to switch on only asks', async () => {
  const s = await scene().joined();
  await s.room.devices.setMicrophone(true);
  s.hear('media-requested');
  s.server.event('media.requested', { participant: 'bob', source: 'microphone', on: false });
  await settle();
  assert.equal(s.room.devices.microphoneOn, false);
  s.server.event('media.requested', { participant: 'bob', source: 'camera', on: true });
  await settle();
  assert.equal(s.room.devices.cameraOn, false);
  assert.deepEqual(s.heard.map(([, m]) => m), [{ participant: 'bob', source: 'microphone', on: false }, { participant: 'bob', source: 'camera', on: true }]);
  await s.room.requestMedia('bob', 'screen', false);
  assert.deepEqual(s.server.requests('media.request').map((m) => [m.participant, m.source, m.on]), [['bob', 'screen', false]]);
  await assert.rejects(s.room.requestMedia('bob', 'screenAudio', false), { code: 'invalid-argument' });
});

test('pins come, go, and go with whom they show', async () => {
  const s = scene();
  s.server.participants = [person('bob')];
  await s.joined();
  s.hear('pin');
  await s.room.pin('bob', { screen: true });
  assert.deepEqual(s.server.requests('pin').map((m) => [m.participant, m.camera, m.screen]), [['bob', false, true]]);
  s.server.event('pin', { participant: 'bob', camera: false, screen: true, by: 'me' });
  s.server.event('pin', { participant: 'bob', camera: false, screen: false, by: 'me' });
  assert.equal(s.room.pins.size, 0);
  s.server.event('pin', { participant: 'bob', camera: true, screen: false, by: 'me' });
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  assert.equal(s.room.pins.size, 0);
  assert.equal(s.heard.length, 3);
});

test('the store', async () => {
  const s = await scene().joined();
  s.server.on['store.get'] = ({ key }) => ({ value: key === 'a' ? '1' : null });
  await s.room.setStore('a', '1');
  await s.room.setStore('a', null);
  assert.deepEqual(s.server.requests('store.set').map((m) => m.value), ['1', null]);
  assert.deepEqual([await s.room.getStore('a'), await s.room.getStore('b')], ['1', null]);
  await assert.rejects(s.room.setStore('a', 7), { code: 'invalid-argument' });
  s.hear('store-changed');
  s.server.event('store.changed', { key: 'a', value: '2', participant: 'bob' });
  assert.deepEqual(s.heard, [['store-changed', { key: 'a', value: '2', participant: 'bob' }]]);
});

test('receiveOnly unpublishes what we sent; the mode of others is told', async () => {
  const s = scene();
  s.server.participants = [{ ...person('bob'), mode: 'receiveOnly' }];
  await s.joined();
  assert.equal(s.room.participants.get('bob').mode, 'receiveOnly');
  s.server.event('participant.updated', { participant: 'bob', mode: 'sendAndReceive' });
  assert.equal(s.room.participants.get('bob').mode, 'sendAndReceive');
  const published = await s.room.publish(new FakeTrack('video'), { source: 'camera' });
  await s.room.setMode('receiveOnly');
  assert.deepEqual([published.closed, s.room.mode, s.room.localParticipant.mode], [true, 'receiveOnly', 'receiveOnly']);
});

test('signallingOnly negotiates nothing until it is asked to', async () => {
  const s = await scene({ mode: 'signallingOnly' }).joined();
  assert.equal(s.server.requests('offer').length, 0);
  await s.room.setMode('receiveOnly');
  assert.equal(s.server.requests('offer').length, 1);
  assert.equal(s.room.seats, 8);
});

test('closing the room closes it for us too, without complaint', async () => {
  const s = await scene().joined();
  s.hear('closed');
  s.server.on['room.close'] = () => {
    s.server.event('bye', { code: 'room-closed', message: 'The room was closed.', reconnect: false });
    return {};
  };
  await s.room.closeRoom();
  assert.equal(s.room.state, 'closed');
  assert.equal(s.heard[0][1].code, 'room-closed');
});

test('presence and rooms are asked without a room', async () => {
  const server = new ScriptedServer();
  const platform = fakePlatform(server);
  const found = { room: 'r1', exists: true, participants: 3, maxParticipants: 20, full: false, passwordProtected: false, owner: null, info: null };
  server.on.presence = () => found;
  server.on.rooms = () => ({ rooms: [found] });
  assert.deepEqual(await presence({ token: 't', room: 'r1', platform }), found);
  assert.deepEqual(await listRooms({ token: 't', listing: 'public', platform }), [found]);
  const asked = server.log.map(({ id: _, ...m }) => m);
  assert.deepEqual(asked, [{ type: 'presence', token: 't', room: 'r1' }, { type: 'rooms', token: 't', listing: 'public' }]);
  assert.ok(platform.sockets.every((socket) => socket.readyState === 3));
  server.on.presence = () => ({ type: 'error', code: 'token-room', message: 'No.' });
  await assert.rejects(presence({ token: 't', room: 'r1', platform }), { code: 'token-room' });
  await assert.rejects(presence({ token: 't', room: '', platform }), { code: 'invalid-argument' });
  server.reachable = false;
  await assert.rejects(presence({ token: 't', room: 'r1', platform }), { code: 'connect-failed' });
});
