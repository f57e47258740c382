/** The page's half of end-to-end encryption: keys, the worker, and what is told. The worker itself is in e2ee-frames.test.js. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ExternalE2EEKeyProvider, KeyProvider } from '../client.js';
import { E2ee, encryptable } from '../core/e2ee.js';
import { fakePlatform } from './fake-platform.js';
import { camera, FakeTrack, meetingScene, person, scene, seated, settle } from './support.js';

const KEY = new Uint8Array(32).fill(1);

/** A worker that writes down what it is told. */
function fakeEncryption(config = {}) {
  const made = {
    config,
    attached: [],
    worker: { told: [], postMessage: (m) => made.worker.told.push(m), terminate: () => (made.worker.over = true) },
    attach: (way, options) => made.attached.push({ way, ...options }),
    of: (type) => made.worker.told.filter((m) => m.type === type),
    say: (way, outcome, participant = null) => {
      const { id, side } = made.attached.find((a) => a.way === way);
      made.worker.onmessage({ data: { type: 'state', id, side, outcome, participant } });
    },
  };
  return made;
}

async function sealed({ people = [], key = KEY } = {}) {
  const keys = new KeyProvider();
  if (key) keys.setKey(key);
  const encryption = fakeEncryption({ encodedInsertableStreams: true });
  const s = scene({ e2ee: { keys }, withPlatform: (platform) => Object.assign(platform, { encryption: () => encryption }) });
  s.server.participants = people;
  s.hear('encryption', 'error');
  await s.joined();
  return Object.assign(s, { keys, encryption });
}

test('every sender and receiver is attached before anything flows, and the offer says so', async () => {
  const s = await sealed();
  assert.equal(s.pc.config.encodedInsertableStreams, true);
  assert.equal(s.encryption.attached.length, 16);
  await s.room.publish(new FakeTrack('video'), { source: 'camera' });
  const last = s.encryption.attached.at(-1);
  assert.deepEqual([last.way, last.side, last.kind], [s.pc.transceivers.at(-1).sender, 'send', 'video']);
  assert.equal(s.server.requests('offer').at(-1).publish[0].encrypted, true);
  await s.room.publications[0].unpublish();
  await s.room.publish(new FakeTrack('video'), { source: 'camera' });
  assert.equal(s.server.requests('publish').at(-1).encrypted, true, 'on a line that is used again');
  assert.equal(s.room.encrypted, true);
});

test('the worker is told the room and ourselves before any key, and who comes and goes', async () => {
  const s = await sealed({ people: [person('bob')] });
  const types = s.encryption.worker.told.map((m) => m.type);
  assert.deepEqual(types.filter((t) => t !== 'codecs').slice(0, 4), ['room', 'key', 'use', 'here']);
  assert.deepEqual(s.encryption.of('room')[0], { type: 'room', room: 'r1', self: 'me' });
  s.server.event('participant.joined', { participant: person('cat') });
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  assert.deepEqual([s.encryption.of('here').map((m) => m.participant), s.encryption.of('gone').map((m) => m.participant)], [['bob', 'cat'], ['bob']]);
});

test('a further key is decrypted with at once and encrypted with later', async () => {
  const s = await sealed();
  s.keys.setKey(new Uint8Array(16), { index: 1 });
  assert.deepEqual(s.encryption.of('key').map((m) => m.index), [0, 1]);
  assert.deepEqual(s.encryption.of('use').map((m) => m.index), [0]);
  await s.platform.advance(2000);
  assert.deepEqual(s.encryption.of('use').map((m) => m.index), [0, 1]);
  s.keys.setKey(new Uint8Array(16), { index: 2, participant: 'bob' });
  await s.platform.advance(2000);
  assert.deepEqual(s.encryption.of('use').length, 2, 'a key of somebody else is not ours');
  s.keys.removeKey({ index: 0 });
  assert.deepEqual(s.encryption.of('remove-key'), [{ type: 'remove-key', participant: null, index: 0 }]);
  s.keys.setKey('another pass phrase', { index: 3, participant: 'me' });
  await s.platform.advance(2000);
  assert.equal(s.encryption.of('use').at(-1).index, 3);
});

test('what becomes of frames is told of publications, whoever sits in the seat', async () => {
  const s = await sealed({ people: [person('bob', [camera(3, { encrypted: true })]), person('cat', [camera(4, { encrypted: true })])] });
  const [bobs, cats] = ['bob', 'cat'].map((id) => s.room.participants.get(id).publication('camera'));
  const receiver = s.pc.transceivers[1].receiver;
  s.encryption.say(receiver, 'ok', 'bob');
  assert.deepEqual(s.heard, [], 'frames may come before we know who sits there');
  seated(s, null, 3);
  assert.deepEqual(s.heard, [['encryption', bobs, 'ok']]);
  s.encryption.say(receiver, 'wrong-key', 'bob');
  assert.equal(bobs.encryption, 'wrong-key');
  seated(s, null, 4, 0, 'cat');
  s.encryption.say(receiver, 'ok', 'bob');
  assert.equal(cats.encryption, null, 'a late frame of Bob’s says nothing of Cat');
  s.encryption.say(receiver, 'not-encrypted');
  assert.deepEqual(s.heard.at(-1), ['encryption', cats, 'not-encrypted']);
  const cam = await s.room.publish(new FakeTrack('video'), { source: 'camera' });
  s.encryption.say(s.pc.transceivers.at(-1).sender, 'missing-key', 'me');
  assert.deepEqual(s.heard.at(-1), ['encryption', cam, 'missing-key']);
});

test('a backup is encrypted like what it backs up', async () => {
  const s = await sealed();
  const cam = await s.room.publish(new FakeTrack('video'), { source: 'camera', codec: 'vp9' });
  s.server.event('publication.backup', { publication: cam.id, codec: 'vp9', wanted: true, codecs: ['vp8'], for: [] });
  await settle(60);
  const { publish } = s.server.requests('offer').at(-1);
  assert.deepEqual([publish[0].backupOf, publish[0].encrypted], [cam.id, true]);
  s.encryption.say(s.pc.transceivers.at(-1).sender, 'missing-key', 'me');
  assert.deepEqual(s.heard.at(-1), ['encryption', cam, 'missing-key']);
});

test('a fresh join has new senders and receivers and the same keys; the end ends the worker', async () => {
  const s = await sealed();
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(0);
  assert.equal(s.encryption.attached.length, 32);
  assert.equal(s.encryption.of('key').length, 1);
  await s.room.leave();
  assert.equal(s.encryption.worker.over, true);
});

test('a worker that fails is an error', async () => {
  const s = await sealed();
  s.encryption.worker.onerror({});
  assert.equal(s.heard.at(-1)[1].code, 'e2ee-failed');
});

test('without keys, what is encrypted is not received unless asked for expressly', async () => {
  const s = scene();
  s.server.participants = [person('bob', [camera(3, { encrypted: true }), camera(5)])];
  s.hear('encryption');
  await s.joined();
  assert.deepEqual(s.server.requests('unsubscribe').map((m) => m.publication), [3]);
  s.server.event('publication.added', { participant: 'bob', publication: camera(7, { source: 'screen', encrypted: true }) });
  await settle();
  assert.deepEqual(s.server.requests('unsubscribe').map((m) => m.publication), [3, 7]);
  assert.deepEqual(s.heard.map(([, p, outcome]) => [p.id, outcome]), [[3, 'missing-key'], [7, 'missing-key']]);
  await s.room.participants.get('bob').publications.get(3).subscribe();
  assert.equal(s.server.requests('subscribe').length, 1);
});

test('keys that are none, and browsers that cannot, are refused at once', () => {
  const keys = new KeyProvider();
  for (const bad of ['short', new Uint8Array(8), undefined]) assert.throws(() => keys.setKey(bad), { code: 'invalid-argument' });
  for (const index of [-1, 256, 1.5]) assert.throws(() => keys.setKey(KEY, { index }), { code: 'invalid-argument' });
  assert.throws(() => scene({ e2ee: { keys } }), { code: 'not-supported' });
  assert.throws(() => scene({ e2ee: {} }), { code: 'invalid-argument' });
  const bytes = new Uint8Array(40).fill(3);
  keys.setKey(bytes.subarray(4, 20));
  bytes.fill(0);
  assert.deepEqual([...new Uint8Array(keys.keys[0].key)], Array(16).fill(3), 'a copy, of that part');
});

test('h264 in packets of one unit each cannot be encrypted, and is not offered', () => {
  const codecs = [{ mimeType: 'video/VP8' }, { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0' }, { mimeType: 'video/H264', sdpFmtpLine: 'level-asymmetry-allowed=1;packetization-mode=1' }];
  assert.deepEqual(encryptable({ codecs, headerExtensions: [] }).codecs, [codecs[0], codecs[2]]);
  assert.equal(encryptable(null), null);
});

test('payload types are learnt from the offer', () => {
  const encryption = fakeEncryption();
  const e2ee = new E2ee({ ...fakePlatform({}), encryption: () => encryption }, new KeyProvider());
  e2ee.learn('m=audio 9 X\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\nm=video 9 X\r\na=rtpmap:96 VP8/90000\r\n');
  assert.deepEqual(encryption.of('codecs')[0].codecs, { 111: 'opus', 63: 'red', 96: 'vp8' });
});

test('a meeting: setKeyProvider, isE2EEEnabled and e2ee-state-change', async () => {
  const keyProvider = new ExternalE2EEKeyProvider();
  await keyProvider.setSharedKey('a pass phrase');
  const encryption = fakeEncryption();
  const s = meetingScene({ keyProvider, withPlatform: (platform) => Object.assign(platform, { encryption: () => encryption }) });
  assert.equal(s.meeting.isE2EEEnabled, true);
  await s.joined(person('bob', [camera(3, { encrypted: true })]));
  const changes = [];
  s.meeting.participants.get('bob').on('e2ee-state-change', (change) => changes.push(change));
  seated(s, null, 3);
  const receiver = s.platform.peers.at(-1).transceivers[1].receiver;
  encryption.say(receiver, 'ok', 'bob');
  encryption.say(receiver, 'wrong-key', 'bob');
  s.meeting.localParticipant.on('e2ee-state-change', (change) => changes.push(change));
  const webcam = s.meeting.enableWebcam();
  await settle(200);
  await webcam;
  encryption.say(s.platform.peers.at(-1).transceivers.at(-1).sender, 'ok', 'me');
  assert.deepEqual(changes, [
    { kind: 'video', state: 'DecryptionSuccess', reason: null }, { kind: 'video', state: 'DecryptionFailed', reason: 'wrong-key' },
    { kind: 'video', state: 'EncryptionSuccess', reason: null },
  ]);
});
