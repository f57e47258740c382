import assert from 'node:assert/strict';
import test from 'node:test';
import { camera, microphone, person, scene, settle } from './support.js';

async function withBob() {
  const s = scene();
  s.server.participants = [person('bob', [camera(3), microphone(4)]), person('cid', [camera(5)])];
  s.hear('track-started', 'track-stopped');
  await s.joined();
  return s;
}
const seat = (seat, participant, audio, video) => ({ seat, participant, audio, video });
const told = (s) => s.heard.map(([e, publication]) => [e, publication.id]);

test('a track is shown while its publication sits, sound and picture of a seat in one stream', async () => {
  const s = await withBob();
  const bob = s.room.participants.get('bob');
  assert.equal(bob.publication('camera').track, null);
  s.server.event('seats', { seats: [seat(2, 'bob', 4, 3)] });
  const [audio, video] = [s.pc.transceivers[4], s.pc.transceivers[5]];
  assert.equal(bob.publication('microphone').track, audio.receiver.track);
  assert.equal(bob.publication('camera').track, video.receiver.track);
  assert.equal(bob.publication('camera').stream, bob.publication('microphone').stream);
  assert.deepEqual(bob.publication('camera').stream.getTracks(), [audio.receiver.track, video.receiver.track]);
  s.server.event('seats', { seats: [seat(2, null, null, null)] });
  assert.equal(bob.publication('camera').track, null);
  assert.deepEqual(told(s), [['track-started', 3], ['track-started', 4], ['track-stopped', 3], ['track-stopped', 4]]);
});

test('a seat goes from one to another without an offer', async () => {
  const s = await withBob();
  s.server.event('seats', { seats: [seat(0, 'bob', 4, 3)] });
  s.server.event('seats', { seats: [seat(0, 'cid', null, 5)] });
  assert.deepEqual(told(s).slice(2), [['track-stopped', 3], ['track-stopped', 4], ['track-started', 5]]);
  assert.equal(s.server.requests('offer').length, 1);
});

test('moved to another seat: stopped and started again with the new track', async () => {
  const s = await withBob();
  s.server.event('seats', { seats: [seat(0, 'bob', null, 3)] });
  s.server.event('seats', { seats: [seat(0, null, null, null), seat(1, 'bob', null, 3)] });
  assert.deepEqual(told(s), [['track-started', 3], ['track-stopped', 3], ['track-started', 3]]);
  assert.equal(s.room.participants.get('bob').publication('camera').track, s.pc.transceivers[3].receiver.track);
});

test('seats told before the publication is known are honoured when it comes', async () => {
  const s = await withBob();
  s.server.event('seats', { seats: [seat(0, 'cid', null, 9)] });
  assert.equal(s.heard.length, 0);
  s.server.event('publication.added', { participant: 'cid', publication: { ...camera(9), source: 'screen' } });
  assert.deepEqual(told(s), [['track-started', 9]]);
  s.server.event('publication.removed', { participant: 'cid', publication: 9 });
  assert.deepEqual(told(s)[1], ['track-stopped', 9]);
});

test('seats.wanted doubles by one offer, up to 48', async () => {
  const s = await withBob();
  s.server.event('seats.wanted', { count: 9 });
  await settle();
  assert.equal(s.room.seats, 16);
  assert.equal(s.server.requests('offer').length, 2);
  s.server.event('seats.wanted', { count: 12 });
  await settle();
  assert.equal(s.server.requests('offer').length, 2);
  s.server.event('seats.wanted', { count: 400 });
  await settle();
  assert.equal(s.room.seats, 48);
  assert.equal(s.pc.transceivers.length, 96);
});

test('growth that is refused takes its lines back and is told as an error', async () => {
  const s = await withBob();
  s.hear('error');
  s.server.on.offer = () => {
    throw { code: 'sdp-too-large' };
  };
  s.server.event('seats.wanted', { count: 20 });
  await settle();
  assert.equal(s.room.seats, 8);
  assert.equal(s.heard[0][1].code, 'sdp-too-large');
  assert.ok(s.pc.transceivers.slice(16).every((t) => t.stopped));
});

test('after a fresh join the grown number of seats is offered at once', async () => {
  const s = await withBob();
  s.server.event('seats.wanted', { count: 20 });
  await settle();
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(0);
  assert.equal(s.pc.transceivers.length, 64);
});

test('speakers, quality, subscription and updates reach their objects', async () => {
  const s = await withBob();
  s.hear('speakers', 'quality', 'subscription', 'participant-updated', 'publication-updated', 'participant-left');
  const bob = s.room.participants.get('bob');
  const said = [];
  bob.on('speaking', (on) => said.push(on));
  s.server.event('speakers', { speakers: [{ participant: 'bob', level: 90 }, { participant: 'me', level: 20 }] });
  assert.deepEqual(s.room.speakers.map((p) => p.id), ['bob', 'me']);
  assert.ok(s.room.localParticipant.speaking);
  s.server.event('speakers', { speakers: [] });
  assert.deepEqual(said, [true, false]);
  s.server.event('quality', { quality: [{ participant: 'bob', score: 2 }, { participant: 'gone', score: 1 }] });
  assert.equal(bob.quality, 2);
  s.server.event('subscription', { publication: 3, state: 'active', encoding: 1 });
  assert.equal(bob.publication('camera').encoding, 1);
  s.server.event('participant.updated', { participant: 'bob', displayName: 'Bobby' });
  assert.equal(bob.displayName, 'Bobby');
  s.server.event('publication.updated', { participant: 'bob', publication: microphone(4, { muted: true }) });
  assert.equal(bob.publication('microphone').muted, true);
  s.server.event('participant.left', { participant: 'bob', reason: 'timeout' });
  assert.deepEqual(s.heard.at(-1), ['participant-left', bob, 'timeout']);
  s.server.event('something.new', { from: 'a newer server' });
  assert.equal(s.room.state, 'connected');
});

test('wishes are sent as they are', async () => {
  const s = await withBob();
  await s.room.participants.get('bob').publication('camera').subscribe({ maxWidth: 320, maxHeight: 180, priority: 'pinned' });
  await s.room.participants.get('cid').publication('camera').unsubscribe();
  const [{ id: _, ...subscribe }] = s.server.requests('subscribe');
  assert.deepEqual(subscribe, { type: 'subscribe', publication: 3, maxWidth: 320, maxHeight: 180, priority: 'pinned' });
  assert.equal(s.server.requests('unsubscribe')[0].publication, 5);
});
