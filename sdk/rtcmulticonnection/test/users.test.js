import assert from 'node:assert/strict';
import test from 'node:test';
import { camera, person, scene, settle } from './support.js';

test('those who are here and those who come are told alike, and can be asked for', async () => {
  const s = scene();
  s.server.participants = [{ ...person('bob'), metadata: { name: 'Bob' } }];
  await s.opened();
  s.server.event('participant.joined', { participant: person('eve') });
  assert.deepEqual(s.of('onUserStatusChanged').map(([e]) => [e.userid, e.status, e.extra]), [['bob', 'online', { name: 'Bob' }], ['eve', 'online', {}]]);
  assert.deepEqual(s.connection.getAllParticipants(), ['bob', 'eve']);
  assert.deepEqual([s.connection.getExtraData('bob'), s.connection.getExtraData('nobody')], [{ name: 'Bob' }, undefined]);
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  assert.deepEqual(s.connection.getAllParticipants(), ['eve']);
  assert.deepEqual([s.of('onleave').map(([e]) => [e.userid, e.extra]), s.of('onUserStatusChanged').at(-1)[0].status], [[['bob', { name: 'Bob' }]], 'offline']);
});

test('the callback of open comes before anybody else is told of', async () => {
  const s = scene();
  s.server.participants = [person('bob')];
  let before;
  s.connection.open('room', () => (before = s.of('onUserStatusChanged').length));
  await settle(200);
  assert.deepEqual([before, s.of('onUserStatusChanged').length], [0, 1]);
});

test('extra goes to the room when we say so, and comes from it once for each change', async () => {
  const s = scene();
  s.server.participants = [person('bob')];
  await s.opened();
  s.connection.extra = { mood: 'good', fullName: 'Ann' };
  s.connection.updateExtraData();
  await settle();
  const { metadata, displayName } = s.server.requests('update')[0];
  assert.deepEqual([metadata, displayName], [{ mood: 'good', fullName: 'Ann' }, 'Ann']);
  s.server.event('participant.updated', { participant: 'bob', metadata: { a: 1 } });
  s.server.event('participant.updated', { participant: 'bob', metadata: { a: 1 } });
  assert.deepEqual(s.of('onExtraDataUpdated'), [[{ userid: 'bob', extra: { a: 1 } }]]);
  assert.deepEqual(s.connection.getExtraData('bob'), { a: 1 });
});

test('disconnectWith parts both ways: they are told, we stop receiving, nobody leaves the room', async () => {
  const s = scene();
  s.server.participants = [person('bob', [camera(3)]), person('eve')];
  await s.opened();
  await s.ask('disconnectWith', 'bob');
  assert.deepEqual(s.server.requests('topic.publish').map(({ topic, message, to }) => [topic, message, to]), [['rtcmulticonnection', { kind: 'part' }, ['bob']]]);
  assert.deepEqual(s.server.requests('unsubscribe').map(({ publication }) => publication), [3]);
  assert.deepEqual([s.connection.getAllParticipants(), s.of('onleave').map(([e]) => e.userid)], [['eve'], ['bob']]);
  s.server.event('publication.added', { participant: 'bob', publication: camera(9) });
  await settle();
  assert.equal(s.server.requests('unsubscribe').at(-1).publication, 9);
  // Who leaves the room and comes again is somebody new.
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  s.server.event('participant.joined', { participant: person('bob') });
  assert.deepEqual(s.connection.getAllParticipants(), ['eve', 'bob']);
});

test('whoever parts from us is gone for us too', async () => {
  const s = scene();
  s.server.participants = [person('bob', [camera(3)])];
  await s.opened();
  s.server.event('topic.message', { message: 'm-1', topic: 'rtcmulticonnection', participant: 'bob', displayName: '', payload: { kind: 'part' }, timestampMs: 1 });
  await settle();
  assert.deepEqual([s.connection.getAllParticipants(), s.of('onleave').length, s.server.requests('unsubscribe').length], [[], 1, 1]);
  assert.equal(s.server.requests('topic.publish').length, 0);
});

test('in a one-way room a viewer has to do with the owner alone', async () => {
  const s = scene();
  const info = { session: { video: true, oneway: true } };
  s.exists({ info });
  s.server.about = { created: false, owner: 'ann', settings: { info } };
  s.server.participants = [person('ann'), person('bob')];
  await s.ask('join', 'room');
  assert.deepEqual(s.connection.getAllParticipants(), ['ann']);
});

test('the owner of a broadcast is told how many watch', async () => {
  const s = scene();
  s.connection.enableScalableBroadcast = true;
  await s.opened();
  s.server.event('participant.joined', { participant: person('bob') });
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  assert.deepEqual(s.of('onNumberOfBroadcastViewersUpdated').map(([e]) => [e.broadcastId, e.numberOfBroadcastViewers]), [['room', 1], ['room', 0]]);
  s.exists({ participants: 5 });
  assert.deepEqual(await s.ask('getNumberOfBroadcastViewers', 'room'), [4]);
});

test('custom events reach the others in the room, and come from them', async () => {
  const s = scene();
  s.server.participants = [person('bob')];
  s.connection.setCustomSocketEvent('quiz');
  const got = [];
  s.connection.getSocket((socket) => socket.on('quiz', (data) => got.push(data)));
  await s.opened();
  let acknowledged;
  s.connection.getSocket().emit(s.connection.socketCustomEvent, { question: 1 }, (ok) => (acknowledged = ok));
  await settle();
  assert.deepEqual(s.server.requests('topic.publish').map(({ message }) => message), [{ kind: 'custom', event: 'quiz', data: { question: 1 } }]);
  assert.equal(acknowledged, true);
  const from = (participant, message, payload) => s.server.event('topic.message', { message, topic: 'rtcmulticonnection', participant, displayName: '', payload, timestampMs: 1 });
  from('bob', 'm-1', { kind: 'custom', event: 'quiz', data: 42 });
  from('me', 'm-2', { kind: 'custom', event: 'quiz', data: 'our own' });
  from('bob', 'm-3', 'nonsense');
  assert.deepEqual(got, [42]);
});

test('a custom event without a room is refused, and told', async () => {
  const s = scene();
  let acknowledged;
  s.connection.getSocket().emit('quiz', 1, (ok) => (acknowledged = ok));
  await settle();
  assert.deepEqual([acknowledged, s.of('onerror').map(([e]) => e.code)], [false, ['NOT_IN_ROOM']]);
});
