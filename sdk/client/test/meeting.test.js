import assert from 'node:assert/strict';
import test from 'node:test';
import { VideoSDK } from '../client.js';
import { camera, meetingScene, microphone, person, settle } from './support.js';

test('initMeeting refuses what cannot be right', () => {
  assert.throws(() => VideoSDK.initMeeting({ meetingId: 'r1' }), { code: 'token-missing' });
  VideoSDK.config('t');
  assert.throws(() => VideoSDK.initMeeting({}), { code: 'invalid-argument' });
  assert.throws(() => VideoSDK.initMeeting({ meetingId: 'two words' }), { code: 'invalid-argument' });
  assert.throws(() => VideoSDK.config(''), { code: 'invalid-argument' });
});

test('join, see, hear, leave', async () => {
  const s = meetingScene({ micEnabled: true, webcamEnabled: false });
  s.server.participants = [person('bob', [camera(3), microphone(4)])];
  const log = [];
  s.meeting.on('meeting-joined', () => log.push('joined'));
  s.meeting.on('participant-joined', (p) => {
    log.push(`+${p.id}`);
    p.on('stream-enabled', (stream) => log.push(`${p.id} ${stream.kind} on`));
    p.on('stream-disabled', (stream) => log.push(`${p.id} ${stream.kind} off`));
  });
  s.meeting.on('participant-left', (p, reason) => log.push(`-${p.id} ${reason.code}`));
  s.meeting.on('meeting-left', (reason) => log.push(`left ${reason.code}`));
  await s.meeting.join();
  await settle(60);
  assert.ok(s.meeting.localParticipant.micOn && !s.meeting.localParticipant.webcamOn);
  s.server.event('seats', { seats: [{ seat: 0, participant: 'bob', audio: 4, video: 3 }] });
  assert.ok(s.meeting.participants.get('bob').webcamOn);
  s.server.event('publication.updated', { participant: 'bob', publication: microphone(4, { muted: true }) });
  await s.meeting.participants.get('bob').setQuality('low');
  assert.equal(s.server.requests('subscribe')[0].quality, 'low');
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  await s.meeting.leave();
  assert.deepEqual(log, ['joined', '+bob', 'bob video on', 'bob audio on', 'bob audio off', 'bob video off', '-bob 1101', 'left 1101']);
  assert.deepEqual(s.states, ['CONNECTING', 'CONNECTED', 'CLOSING', 'CLOSED']);
});

test('states of a meeting that is cut, and of one that is refused', async () => {
  const s = meetingScene({ micEnabled: false, webcamEnabled: false });
  await s.meeting.join();
  s.platform.sockets.at(-1).break();
  await s.platform.advance(0);
  assert.deepEqual(s.states, ['CONNECTING', 'CONNECTED', 'DISCONNECTED', 'CONNECTING', 'CONNECTED']);

  const refused = meetingScene();
  refused.server.on.join = () => {
    throw { code: 'token-invalid' };
  };
  const errors = [];
  refused.meeting.on('error', ({ code, name }) => errors.push([code, name]));
  await assert.rejects(refused.meeting.join(), { code: 'token-invalid' });
  assert.deepEqual([refused.states, errors], [['CONNECTING', 'FAILED'], [[4002, 'INVALID_TOKEN']]]);
});

test('presenter and speaker', async () => {
  const s = meetingScene({ micEnabled: false, webcamEnabled: false });
  s.server.participants = [person('bob', [{ ...camera(7), source: 'screen' }])];
  const log = [];
  s.meeting.on('presenter-changed', (id) => log.push(['presenter', id]));
  s.meeting.on('speaker-changed', (id) => log.push(['speaker', id]));
  await s.meeting.join();
  s.server.event('seats', { seats: [{ seat: 0, participant: 'bob', audio: null, video: 7 }] });
  s.server.event('speakers', { speakers: [{ participant: 'bob', level: 50 }] });
  s.server.event('speakers', { speakers: [] });
  s.server.event('publication.removed', { participant: 'bob', publication: 7 });
  assert.deepEqual(log, [['presenter', 'bob'], ['speaker', 'bob'], ['speaker', null], ['presenter', null]]);
  await s.meeting.enableScreenShare();
  assert.equal(s.meeting.activePresenterId, 'me');
  await s.meeting.disableScreenShare();
  assert.equal(s.meeting.activePresenterId, null);
});

test('pubSub', async () => {
  const s = meetingScene({ micEnabled: false, webcamEnabled: false });
  s.server.kept = [{ message: 'm-1', participant: 'bob', displayName: 'BOB', payload: { message: 'old' }, timestampMs: 1 }];
  await s.meeting.join();
  const got = [];
  const listener = (m) => got.push(m);
  const old = await s.meeting.pubSub.subscribe('CHAT', listener);
  assert.deepEqual(old, [{ id: 'm-1', message: 'old', senderId: 'bob', senderName: 'BOB', timestamp: 1, topic: 'CHAT' }]);
  await s.meeting.pubSub.publish('CHAT', 'hello', { persist: true }, { colour: 'red' });
  assert.deepEqual(s.server.requests('topic.publish')[0].message, { message: 'hello', payload: { colour: 'red' } });
  s.server.event('topic.message', { message: 'm-2', topic: 'CHAT', participant: 'me', displayName: 'Ann', payload: { message: 'hello', payload: 1 }, timestampMs: 2 });
  assert.deepEqual(got, [{ id: 'm-2', message: 'hello', senderId: 'me', senderName: 'Ann', timestamp: 2, topic: 'CHAT', payload: 1 }]);
  await s.meeting.pubSub.unsubscribe('CHAT', listener);
  assert.equal(s.server.requests('topic.unsubscribe').length, 1);
  await assert.rejects(s.meeting.pubSub.publish('CHAT', 7), { code: 'invalid-argument' });
});
