/** Participants and streams: what we receive, what moderators ask, pins, pictures, figures. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Stats } from '../core/stats.js';
import { camera, meetingScene, microphone, person, seated, settle } from './support.js';

const screen = (id, more = {}) => ({ ...camera(id), source: 'screen', ...more });

async function withBob(options = {}) {
  const s = await meetingScene(options).joined(person('bob', [camera(3), microphone(4)]));
  seated(s, 4, 3);
  return Object.assign(s, { bob: s.meeting.participants.get('bob') });
}

test('quality, screen quality and viewport are limits that hold together', async () => {
  const { bob, asked } = await withBob();
  await bob.setQuality('med');
  await bob.setViewPort(640.4, 360);
  await bob.setScreenShareQuality('low'); // nothing is shared yet
  assert.deepEqual(asked('subscribe'), [{ publication: 3, quality: 'medium' }, { publication: 3, quality: 'medium', maxWidth: 640, maxHeight: 360 }]);
  assert.deepEqual([bob.quality, bob.screenShareQuality], ['med', 'low']);
});

test('a wish made before there is a picture holds when there is one, and for the next one too', async () => {
  const s = await withBob();
  await s.bob.setScreenShareQuality('low');
  s.server.event('publication.added', { participant: 'bob', publication: screen(7) });
  await settle();
  s.server.event('publication.removed', { participant: 'bob', publication: 7 });
  s.server.event('publication.added', { participant: 'bob', publication: screen(8) });
  await settle();
  assert.deepEqual(s.asked('subscribe'), [{ publication: 7, quality: 'low' }, { publication: 8, quality: 'low' }]);
});

test('nonsense is refused with 3073 and told to the caller alone', async () => {
  const s = await withBob();
  s.hear('error');
  await assert.rejects(s.bob.setQuality('best'), { code: 'invalid-argument', number: 3073 });
  await assert.rejects(s.bob.setViewPort(0, 100), { number: 3073 });
  await assert.rejects(s.meeting.localParticipant.setQuality('low'), { number: 3073 });
  await assert.rejects(s.bob.pin('EVERYTHING'), { number: 3073 });
  assert.deepEqual(s.log, []);
});

test('what the server refuses has the number of what was tried, and is told by error too', async () => {
  const s = await withBob();
  s.hear('error');
  s.server.on.subscribe = () => {
    throw { code: 'no-such-publication' };
  };
  await assert.rejects(s.bob.setQuality('low'), { code: 'no-such-publication', number: 4073, constant: 'SET_QUALITY_FAILED' });
  assert.deepEqual(s.log.map(([, { code, name }]) => [code, name]), [[4073, 'SET_QUALITY_FAILED']]);
});

test('without autoConsume nothing is asked for until it is consumed', async () => {
  const s = await withBob({ autoConsume: false });
  assert.equal(s.server.requests('join')[0].autoSubscribe, false);
  await s.bob.setQuality('low');
  assert.deepEqual(s.asked('subscribe'), []);
  await s.bob.consumeWebcamStreams();
  await s.bob.consumeMicStreams();
  await s.bob.stopConsumingWebcamStreams();
  assert.deepEqual([s.asked('subscribe'), s.asked('unsubscribe')], [[{ publication: 3, quality: 'low' }, { publication: 4 }], [{ publication: 3 }]]);
});

test('a stream pauses and resumes on our side; its participant and itself tell', async () => {
  const s = await withBob();
  const stream = [...s.bob.streams.values()].find((x) => x.kind === 'video');
  s.bob.on('stream-paused', (e) => s.log.push(['paused', e]));
  s.bob.on('stream-resumed', (e) => s.log.push(['resumed', e]));
  stream.on('stream-state-changed', ({ state }) => s.log.push(state));
  await stream.pause();
  assert.deepEqual([stream.paused, stream.state], [true, 'paused']);
  await stream.resume();
  seated(s, 4, null);
  assert.deepEqual(s.log, ['paused', ['paused', { kind: 'video', reason: 'manual' }], 'active', ['resumed', { kind: 'video', reason: 'manual' }], 'ended']);
  assert.deepEqual(s.asked('subscribe'), [{ publication: 3, paused: true }, { publication: 3 }]);
  assert.deepEqual([stream.state, stream.codec, stream.id], ['ended', 'vp8', '3']);
});

test('a stream that gets stuck or freezes says so, and when it is well again', async () => {
  const s = await withBob();
  const stream = [...s.bob.streams.values()].find((x) => x.kind === 'video');
  stream.on('stream-state-changed', ({ state, timestamp }) => s.log.push([state, timestamp > 0]));
  for (const [packetsReceived, framesDecoded] of [[10, 5], [20, 10], [20, 10], [30, 20], [40, 20], [50, 20], [60, 30]]) {
    s.platform.peers[0].stats = [{ id: 'i', type: 'inbound-rtp', packetsReceived, framesDecoded }];
    await s.platform.advance(2000);
  }
  assert.deepEqual(s.log, [['stuck', true], ['active', true], ['freeze-detected', true], ['freeze-resolved', true], ['active', true]]);
  seated(s, 4, null);
  assert.equal(stream.state, 'ended');
});

test('our own stream cannot be paused', async () => {
  const s = await withBob();
  await s.meeting.enableWebcam();
  const [stream] = s.meeting.localParticipant.streams.values();
  await assert.rejects(stream.pause(), { code: 'invalid-state' });
  assert.equal(stream.state, 'active');
});

test('all streams of a kind pause, those of newcomers too, until they resume', async () => {
  const s = await withBob();
  s.hear('paused-all-streams', 'resumed-all-streams');
  await s.meeting.pauseAllStreams('video');
  s.server.event('participant.joined', { participant: person('eve', [camera(9)]) });
  await settle();
  await s.meeting.resumeAllStreams('video');
  assert.deepEqual(s.asked('subscribe'), [{ publication: 3, paused: true }, { publication: 9, paused: true }, { publication: 3 }, { publication: 9 }]);
  assert.deepEqual(s.log, [['paused-all-streams', { kind: 'video' }], ['resumed-all-streams', { kind: 'video' }]]);
  await s.meeting.pauseAllStreams();
  assert.equal(s.log[2][1].kind, null);
  await assert.rejects(s.meeting.pauseAllStreams('smell'), { number: 3073 });
});

test('switching on and off is told whether or not it is received; another encoding is another quality', async () => {
  const s = meetingScene();
  s.meeting.on('participant-joined', (p) => {
    p.on('media-status-changed', (e) => s.log.push(e));
    p.on('video-quality-changed', (e) => s.log.push(e));
  });
  await s.joined(person('bob', []));
  s.server.event('publication.added', { participant: 'bob', publication: camera(3) });
  s.server.event('subscription', { publication: 3, state: 'active', encoding: 2 });
  s.server.event('subscription', { publication: 3, state: 'active', encoding: 0 });
  s.server.event('publication.updated', { participant: 'bob', publication: camera(3, { muted: true }) });
  assert.deepEqual(s.log, [
    { kind: 'video', newStatus: true }, { currentQuality: 'HIGH', prevQuality: null }, { currentQuality: 'LOW', prevQuality: 'HIGH' },
    { kind: 'video', newStatus: false },
  ]);
});

test('a codec that this browser cannot show is an error, 4051, unless another version of the picture comes soon', async () => {
  const s = await withBob();
  s.hear('error');
  s.server.event('subscription', { publication: 3, state: 'codec-not-supported' });
  await s.platform.advance(3000);
  s.server.event('subscription', { publication: 3, state: 'active' });
  await s.platform.advance(9000);
  assert.deepEqual(s.log, []);
  s.server.event('subscription', { publication: 3, state: 'codec-not-supported' });
  await s.platform.advance(5000);
  assert.deepEqual(s.log.map(([, e]) => e.code), [4051]);
});

test('who cannot decode our picture gets it in another codec, and we are told', async () => {
  const s = await withBob();
  s.hear('codec-changed');
  const webcam = s.meeting.enableWebcam();
  await settle(200);
  await webcam;
  const [{ id }] = s.meeting.room.publications;
  s.server.event('publication.backup', { publication: id, codec: 'h264', wanted: true, codecs: ['vp8'], for: ['bob'] });
  await settle(200);
  assert.deepEqual(s.log, [['codec-changed', { unsupportedRemoteCodec: 'H264', previousCodec: 'H264', currentCodec: 'VP8', kind: 'video', causedBy: s.bob }]]);
});

test('a moderator mutes at once and asks for more; each has its number when it is refused', async () => {
  const s = await withBob();
  const calls = { enableMic: ['microphone', true, 4067], disableMic: ['microphone', false, 4068], enableWebcam: ['camera', true, 4069], disableWebcam: ['camera', false, 4070] };
  for (const call of Object.keys(calls)) await s.bob[call]();
  assert.deepEqual(s.asked('media.request'), Object.values(calls).map(([source, on]) => ({ participant: 'bob', source, on })));
  s.server.on['media.request'] = () => {
    throw { code: 'no-such-participant' };
  };
  for (const [call, [, , number]] of Object.entries(calls)) await assert.rejects(s.bob[call](), { number });
  s.server.on['media.request'] = () => {
    throw { code: 'forbidden' };
  };
  await assert.rejects(s.bob.disableMic(), { code: 'forbidden', number: 4025 });
});

test('who is asked to switch on decides; who is muted is muted', async () => {
  const s = await meetingScene({ micEnabled: true }).joined();
  assert.ok(s.meeting.localParticipant.micOn);
  const asked = {};
  for (const event of ['mic-requested', 'webcam-requested', 'screen-share-requested']) s.meeting.on(event, (request) => (asked[event] = request));
  s.server.event('media.requested', { participant: 'mod', source: 'microphone', on: false });
  await settle();
  assert.equal(s.meeting.localParticipant.micOn, false);
  for (const source of ['microphone', 'camera', 'screen']) s.server.event('media.requested', { participant: 'mod', source, on: true });
  await settle();
  assert.deepEqual([s.meeting.localParticipant.micOn, s.meeting.localParticipant.webcamOn], [false, false]);
  await asked['webcam-requested'].reject();
  assert.equal(s.meeting.localParticipant.webcamOn, false);
  await asked['mic-requested'].accept();
  await asked['webcam-requested'].accept();
  await asked['screen-share-requested'].accept();
  assert.equal(asked['mic-requested'].participantId, 'mod');
  assert.ok(s.meeting.localParticipant.micOn && s.meeting.localParticipant.webcamOn && s.meeting.localParticipant.screenShareOn);
});

test('remove sends out, and is refused with 4066', async () => {
  const s = await withBob();
  await s.bob.remove();
  assert.deepEqual(s.asked('remove'), [{ participant: 'bob' }]);
  s.server.on.remove = () => {
    throw { code: 'no-such-participant' };
  };
  await assert.rejects(s.bob.remove(), { number: 4066 });
});

test('pins add up, come off one by one, and are told to all', async () => {
  const s = await withBob();
  s.hear('pin-state-changed', 'main-participant-changed');
  const pinned = (cameraOn, screenOn) => s.server.event('pin', { participant: 'bob', camera: cameraOn, screen: screenOn, by: 'me' });
  await s.bob.pin('CAM');
  pinned(true, false);
  await s.bob.pin('SHARE');
  pinned(true, true);
  await s.bob.unpin('CAM');
  pinned(false, true);
  assert.deepEqual([s.bob.pinState, s.meeting.pinnedParticipants.get('bob')], [{ cam: false, share: true }, { cam: false, share: true }]);
  await s.bob.unpin();
  pinned(false, false);
  assert.deepEqual(s.asked('pin').map(({ camera: c, screen: x }) => [c, x]), [[true, false], [true, true], [false, true], [false, false]]);
  assert.deepEqual(s.log[0], ['pin-state-changed', { participantId: 'bob', peerId: 'bob', state: { cam: true, share: false }, pinnedBy: 'me' }]);
  assert.equal(s.meeting.pinnedParticipants.size, 0);
});

test('the main participant: pinned before presenting before speaking before anybody', async () => {
  const s = await meetingScene().joined(person('bob'), person('eve', [screen(7)]), person('joe'));
  assert.equal(s.meeting.mainParticipantId, 'bob');
  s.server.event('speakers', { speakers: [{ participant: 'joe', level: 9 }] });
  assert.equal(s.meeting.mainParticipantId, 'joe');
  s.server.event('speakers', { speakers: [] });
  assert.equal(s.meeting.mainParticipantId, 'joe', 'who spoke last');
  seated(s, null, 7, 0, 'eve');
  assert.equal(s.meeting.mainParticipantId, 'eve');
  s.hear('main-participant-changed');
  s.server.event('pin', { participant: 'bob', camera: true, screen: false, by: 'eve' });
  assert.deepEqual([s.meeting.mainParticipantId, s.log[0][1].id], ['bob', 'bob']);
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  assert.equal(s.meeting.mainParticipantId, 'eve');
});

test('captureImage gives base64, or says that there is no picture', async () => {
  const s = await withBob();
  const track = [...s.bob.streams.values()].find((x) => x.kind === 'video').track;
  assert.equal(await s.bob.captureImage({ width: 320 }), `${track.id}@320`);
  seated(s, null, null);
  await assert.rejects(s.bob.captureImage(), { code: 'media-not-ready', number: 3048 });
});

test('figures of a stream: rates come with the second call', async () => {
  const s = await withBob();
  const pc = s.platform.peers[0];
  const report = (bytesReceived, timestamp) => [
    { id: 'in', type: 'inbound-rtp', kind: 'video', timestamp, bytesReceived, packetsReceived: 10, packetsLost: 1, jitter: 0.004, codecId: 'c', frameWidth: 640, frameHeight: 360, framesPerSecond: 30 },
    { id: 'c', type: 'codec', mimeType: 'video/VP8' },
    { id: 't', type: 'transport', selectedCandidatePairId: 'p', dtlsState: 'connected', srtpCipher: 'AEAD_AES_128_GCM' },
    { id: 'p', type: 'candidate-pair', currentRoundTripTime: 0.02, localCandidateId: 'l', remoteCandidateId: 'r', bytesSent: 5, bytesReceived: 6, availableOutgoingBitrate: 2_000_000 },
    { id: 'l', type: 'local-candidate', candidateType: 'host', protocol: 'udp', networkType: 'wifi' },
    { id: 'r', type: 'remote-candidate', candidateType: 'host' },
  ];
  pc.stats = report(1000, 1000);
  assert.equal((await s.bob.getVideoStats())[0].bitrate, null);
  pc.stats = report(126_000, 2000);
  const [stats] = await s.bob.getVideoStats();
  assert.deepEqual(stats, {
    rid: null, bitrate: 1000, rtt: 20, jitter: 4, packetsLost: 1, totalPackets: 10, concealmentEvents: null, codec: 'video/VP8', network: 'wifi',
    limitation: null, size: { width: 640, height: 360, framerate: 30 }, currentSpatialLayer: null, preferredSpatialLayer: null,
  });
  assert.deepEqual(await s.bob.getTransportStats(), {
    rtt: 20, availableOutgoingBitrate: 2000, availableIncomingBitrate: null, bytesSent: 5, bytesReceived: 6, localCandidateType: 'host',
    remoteCandidateType: 'host', protocol: 'udp', dtlsState: 'connected', srtpCipher: 'AEAD_AES_128_GCM',
  });
  assert.deepEqual([await s.bob.getShareStats(), await s.bob.getShareAudioStats()], [[], []]);
});

test('a track on two senders, or on none, has figures of both, or none', async () => {
  const [twice, never] = [{}, {}];
  const sender = (track, rid) => ({ track, getStats: async () => new Map([[rid, { id: rid, type: 'outbound-rtp', kind: 'video', timestamp: 1, bytesSent: 1, rid }]]) });
  const pc = { getSenders: () => [sender(twice, 'q'), sender(twice, 'backup'), sender(null, 'x')], getReceivers: () => [] };
  const stats = new Stats();
  assert.deepEqual((await stats.ofTrack(pc, twice)).map(({ rid }) => rid), ['q', 'backup']);
  assert.deepEqual(await stats.ofTrack(pc, never), []);
});

test('elements follow their streams; adaptive ones ask for what fits them', async () => {
  const s = await withBob();
  const video = s.bob.renderVideo();
  const sound = s.bob.renderAudio();
  assert.deepEqual([video.kind, video.srcObject.getTracks()[0].kind, sound.srcObject.getTracks()[0].kind], ['video', 'video', 'audio']);
  assert.equal(sound.seen, undefined);
  video.seen({ width: 310, height: 180 });
  await s.platform.advance(1000);
  video.seen(null);
  await s.platform.advance(1000);
  s.meeting.disableAdaptiveSubscription();
  await s.platform.advance(1000);
  assert.equal(video.seen, undefined);
  assert.deepEqual(s.asked('subscribe'), [{ publication: 3, maxWidth: 320, maxHeight: 192 }, { publication: 3, paused: true }, { publication: 3 }]);
  seated(s, null, null);
  assert.equal(video.srcObject, null);
});

test('what fits an element undoes no pause and no viewport of the app', async () => {
  const s = await withBob();
  const video = s.bob.renderVideo({ adaptive: true });
  await s.bob.setViewPort(640, 360);
  await s.meeting.pauseAllStreams('video');
  video.seen({ width: 320, height: 180 });
  await s.platform.advance(1000);
  await s.meeting.resumeAllStreams('video');
  video.seen(null);
  await s.platform.advance(1000);
  const box = { publication: 3, maxWidth: 640, maxHeight: 360 };
  assert.deepEqual(s.asked('subscribe').slice(2), [{ ...box, paused: true }, box, { ...box, paused: true }]);
  assert.ok(s.meeting.localParticipant.renderAudio().muted, 'nobody hears oneself');
});

test('an image is captured of what is out of sight as well', async () => {
  const s = await withBob();
  const video = s.bob.renderVideo();
  video.seen(null);
  await s.platform.advance(1000);
  let picture = () => {};
  s.platform.captureFrame = () => new Promise((resolve) => (picture = resolve));
  const image = s.bob.captureImage();
  await s.platform.advance(100);
  picture('jpeg');
  assert.equal(await image, 'jpeg');
  await s.platform.advance(1000);
  assert.deepEqual(s.asked('subscribe'), [{ publication: 3, paused: true }, { publication: 3 }, { publication: 3, paused: true }]);
});

test('modes: told of others and ourselves, in the words the app uses', async () => {
  const s = await withBob();
  s.hear('participant-mode-changed');
  s.server.event('participant.updated', { participant: 'bob', mode: 'receiveOnly' });
  await s.meeting.changeMode('SIGNALLING_ONLY');
  assert.deepEqual(s.log.map(([, e]) => e), [{ participantId: 'bob', mode: 'RECV_ONLY' }, { participantId: 'me', mode: 'SIGNALLING_ONLY' }]);
  await assert.rejects(s.meeting.changeMode('LOUD'), { number: 3073 });
  s.server.on.update = () => {
    throw { code: 'rate-limited' };
  };
  await assert.rejects(s.meeting.changeMode('RECV_ONLY'), { number: 4065 });
  const older = await meetingScene({ mode: 'CONFERENCE' }).joined();
  assert.equal(older.meeting.localParticipant.mode, 'CONFERENCE');
});

test('another name or metadata is told of the same participant', async () => {
  const s = await withBob();
  s.hear('participant-updated');
  s.server.event('participant.updated', { participant: 'bob', displayName: 'Bob B.', metadata: { a: 1 } });
  assert.deepEqual([s.log[0][1], s.bob.displayName, s.bob.metaData], [s.bob, 'Bob B.', { a: 1 }]);
});

test('who joins as VIEWER opens no device and negotiates nothing', async () => {
  const s = await meetingScene({ mode: 'VIEWER', micEnabled: true, webcamEnabled: true }).joined();
  assert.deepEqual([s.server.requests('join')[0].mode, s.server.requests('offer').length, s.platform.mediaDevices.opened.length], ['signallingOnly', 0, 0]);
});
