/** Our own microphone, camera and screen; devices, permissions, tracks; and what is not served. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MeetingError, VideoSDK } from '../client.js';
import { checkPermissions, listDevices, requestPermission } from '../meeting/devices.js';
import { CAMERA_PRESETS, createCameraVideoTrack, createMicrophoneAudioTrack, createScreenShareVideoTrack, MICROPHONE_PRESETS, SCREEN_PRESETS } from '../meeting/tracks.js';
import { fakePlatform } from './fake-platform.js';
import { FakeTrack, meetingScene, settle } from './support.js';

const refused = (s, name) => (s.platform.mediaDevices.refuse = name);

test('maxResolution, multiStream and defaultCamera shape our own camera', async () => {
  const s = await meetingScene({ webcamEnabled: true, multiStream: false, defaultCamera: 'back' }).joined();
  const [{ video }] = s.platform.mediaDevices.opened;
  assert.deepEqual([video.width.ideal, video.height.ideal, video.facingMode], [640, 360, 'environment']);
  assert.equal(s.platform.peers[0].transceivers.at(-1).sender.parameters.encodings.length, 1);
  const hd = await meetingScene({ webcamEnabled: true, maxResolution: 'hd' }).joined();
  assert.equal(hd.platform.mediaDevices.opened[0].video.width.ideal, 1280);
  assert.equal(hd.platform.peers[0].transceivers.at(-1).sender.parameters.encodings.length, 3);
});

test('enabling what is on opens nothing again', async () => {
  const s = await meetingScene({ webcamEnabled: true }).joined();
  await s.meeting.enableWebcam();
  assert.equal(s.platform.mediaDevices.opened.length, 1);
});

test('devices by id or by stream; what is in use is told', async () => {
  const s = await meetingScene({ webcamEnabled: true, micEnabled: true }).joined();
  await s.meeting.changeWebcam('cam-2');
  await s.meeting.changeMic('mic-2');
  assert.deepEqual(s.platform.mediaDevices.opened.slice(2).map((c) => (c.video ?? c.audio).deviceId.exact), ['cam-2', 'mic-2']);
  const track = Object.assign(new FakeTrack('video', { deviceId: 'd', groupId: 'g' }), { label: 'Front' });
  await s.meeting.replaceWebcamStream(s.platform.createStream([track]));
  assert.deepEqual(s.meeting.selectedCameraDevice, { deviceId: 'd', groupId: 'g', kind: 'videoinput', label: 'Front' });
  await assert.rejects(s.meeting.changeWebcam(), { number: 3073 });
  await s.meeting.disableWebcam();
  assert.equal(s.meeting.selectedCameraDevice, null);
});

test('setWebcamQuality asks the camera', async () => {
  const s = await meetingScene().joined();
  await assert.rejects(s.meeting.setWebcamQuality('low'), { code: 'media-not-ready', number: 3048 });
  await s.meeting.enableWebcam();
  await s.meeting.setWebcamQuality('low');
  const [publication] = s.meeting.room.publications;
  assert.deepEqual(publication.track.constraints, { width: { ideal: 320 }, height: { ideal: 180 } });
  await assert.rejects(s.meeting.setWebcamQuality('best'), { number: 3073 });
});

test('a device that fails keeps nobody out and is told by error with its number', async () => {
  for (const [name, webcam, mic] of [['NotAllowedError', 3017, 3018], ['NotFoundError', 3021, 3022], ['NotReadableError', 3023, 3024]]) {
    const s = meetingScene({ micEnabled: true, webcamEnabled: true });
    s.hear('error');
    refused(s, name);
    await s.joined();
    assert.equal(s.meeting.state, 'CONNECTED');
    assert.deepEqual(s.log.map(([, e]) => e.code).sort(), [webcam, mic]);
    assert.ok(s.log[0][1].cause instanceof MeetingError && s.log[0][1].message);
  }
  const s = await meetingScene().joined();
  refused(s, 'NotAllowedError');
  await assert.rejects(s.meeting.enableWebcam(), { code: 'permission-denied', number: 3017 });
});

test('custom streams that cannot be right', async () => {
  const s = await meetingScene().joined();
  const ended = new FakeTrack('audio');
  ended.stop();
  await assert.rejects(s.meeting.unmuteMic(s.platform.createStream([ended])), { code: 'custom-track-ended', number: 3032 });
  await assert.rejects(s.meeting.enableWebcam(s.platform.createStream([])), { code: 'custom-track-invalid', number: 3029 });
  await assert.rejects(s.meeting.enableScreenShare(s.platform.createStream([])), { number: 3029 });
});

test('an unplugged camera is an error, 3027', async () => {
  const s = await meetingScene({ webcamEnabled: true, micEnabled: true }).joined();
  s.hear('error');
  for (const publication of s.meeting.room.publications) publication.track.end();
  await settle();
  assert.deepEqual(s.log.map(([, e]) => e.code).sort(), [3027, 3028]);
  assert.equal(s.meeting.localParticipant.webcamOn, false);
});

test('before the join: 3035 for what needs a meeting', async () => {
  const s = meetingScene();
  for (const call of ['muteMic', 'unmuteMic', 'enableWebcam', 'disableWebcam', 'enableScreenShare', 'disableScreenShare', 'leave', 'end']) {
    await assert.rejects(s.meeting[call](), { number: 3035 }, call);
  }
  await assert.rejects(s.meeting.connectTo({ meetingId: 'r2' }), { number: 3035 });
  await assert.rejects(s.meeting.pubSub.publish('A', 'b'), { number: 3035 });
});

test('joining twice: 3055 while it is under way, 3054 afterwards; a meeting that was left is left', async () => {
  const s = meetingScene();
  const first = s.meeting.join();
  await assert.rejects(s.meeting.join(), { number: 3055 });
  await first;
  await assert.rejects(s.meeting.join(), { number: 3054 });
  await s.meeting.leave();
  await assert.rejects(s.meeting.join(), { number: 3035 });
});

test('while the way to the server is being made again: 3065', async () => {
  const s = await meetingScene().joined();
  s.server.reachable = false;
  s.server.event('bye', { code: 'node-draining', message: '', reconnect: true });
  await settle();
  await assert.rejects(s.meeting.realtimeStore.setValue('k', '1'), { code: 'session-lost', number: 3065 });
});

test('end closes the meeting for everybody', async () => {
  const s = await meetingScene().joined();
  s.hear('meeting-left');
  s.server.on['room.close'] = () => {
    s.server.event('bye', { code: 'room-closed', message: 'Closed.', reconnect: false });
    return null;
  };
  await s.meeting.end();
  assert.equal(s.log[0][1].code, 1006);
});

test('a screen with its sound from a custom stream', async () => {
  const s = await meetingScene().joined();
  const stream = await createScreenShareVideoTrack(s.platform, { withAudio: 'enable' });
  await s.meeting.enableScreenShare(stream);
  assert.deepEqual(s.meeting.room.publications.map((p) => p.source), ['screen', 'screenAudio']);
  assert.ok(s.meeting.localParticipant.screenShareAudioOn);
  await s.meeting.disableScreenShare();
  assert.equal(s.meeting.localParticipant.screenShareOn, false);
});

test('camera tracks: every preset, and how they are published', async () => {
  const platform = fakePlatform(null);
  for (const [encoderConfig, [width, height]] of Object.entries(CAMERA_PRESETS)) {
    assert.match(encoderConfig, new RegExp(`^h${height}p_w${width}p$`));
    await createCameraVideoTrack(platform, { encoderConfig });
    const { video } = platform.mediaDevices.opened.at(-1);
    assert.deepEqual([video.width.ideal, video.height.ideal], [width, height]);
  }
  assert.equal(Object.keys(CAMERA_PRESETS).length, 18);
  const s = await meetingScene().joined();
  const stream = await createCameraVideoTrack(s.platform, { cameraId: 'c', facingMode: 'front', multiStream: true, maxLayer: 2, codec: 'VP9', bitrateMode: 'high_quality' });
  assert.deepEqual([s.platform.mediaDevices.opened[0].video.deviceId, s.platform.mediaDevices.opened[0].video.facingMode], [{ exact: 'c' }, 'user']);
  await s.meeting.enableWebcam(stream);
  const { sender, codecs } = s.platform.peers[0].transceivers.at(-1);
  assert.deepEqual([sender.parameters.encodings.length, sender.parameters.encodings[1].maxBitrate, codecs[0]], [2, 3_000_000, 'video/VP9']);
  await assert.rejects(createCameraVideoTrack(platform, { encoderConfig: 'h1p' }), { number: 3073 });
  await assert.rejects(createCameraVideoTrack(platform, { bitrateMode: 'much' }), { number: 3073 });
});

test('microphone tracks: every preset, and noise as asked', async () => {
  const s = await meetingScene().joined();
  for (const [encoderConfig, { sampleRate, channelCount }] of Object.entries(MICROPHONE_PRESETS)) {
    await createMicrophoneAudioTrack(s.platform, { encoderConfig });
    const { audio } = s.platform.mediaDevices.opened.at(-1);
    assert.deepEqual([audio.sampleRate.ideal, audio.channelCount.ideal], [sampleRate, channelCount]);
  }
  const stream = await createMicrophoneAudioTrack(s.platform, { microphoneId: 'm', noiseConfig: { noiseSuppression: false }, encoderConfig: 'music_standard' });
  const { audio } = s.platform.mediaDevices.opened.at(-1);
  assert.deepEqual([audio.deviceId, audio.noiseSuppression, audio.echoCancellation], [{ exact: 'm' }, false, true]);
  await s.meeting.unmuteMic(stream);
  assert.equal(s.platform.peers[0].transceivers.at(-1).sender.parameters.encodings[0].maxBitrate, 40_000);
});

test('screen tracks: every preset, sound only when asked for', async () => {
  const platform = fakePlatform(null);
  for (const [encoderConfig, [height, frameRate]] of Object.entries(SCREEN_PRESETS)) {
    assert.equal(encoderConfig, `h${height}p_${frameRate}fps`);
    const stream = await createScreenShareVideoTrack(platform, { encoderConfig });
    const { video, audio } = platform.mediaDevices.opened.at(-1);
    assert.deepEqual([video.height.max, video.frameRate.ideal, audio, stream.getAudioTracks().length], [height, frameRate, false, 0]);
  }
});

test('permissions: asked for by opening, looked up without', async () => {
  const platform = fakePlatform(null);
  assert.deepEqual([...(await requestPermission(platform, 'audio_video'))], [['audio', true], ['video', true]]);
  platform.mediaDevices.refuse = 'NotAllowedError';
  assert.deepEqual([...(await requestPermission(platform, 'video'))], [['video', false]]);
  platform.mediaDevices.refuse = 'NotFoundError';
  await assert.rejects(requestPermission(platform, 'audio'), { code: 'device-not-found', number: 3022 });
  assert.deepEqual([...(await checkPermissions(platform, 'audio_video'))], [['audio', false], ['video', true]]);
  platform.permission = undefined;
  await assert.rejects(checkPermissions(platform, 'audio'), { code: 'not-supported', number: 3012 });
  await assert.rejects(checkPermissions(platform, 'smell'), { number: 3073 });
});

test('device lists', async () => {
  const platform = fakePlatform(null);
  platform.mediaDevices.devices = ['videoinput', 'audioinput', 'audiooutput'].map((kind) => ({ kind, deviceId: kind, groupId: '', label: '' }));
  assert.equal((await listDevices(platform)).length, 3);
  assert.deepEqual((await listDevices(platform, 'audiooutput')).map((d) => d.deviceId), ['audiooutput']);
  platform.mediaDevices = undefined;
  await assert.rejects(listDevices(platform, 'videoinput'), { code: 'insecure-context', number: 3033 });
});

test('what holds our picture back is told while somebody listens', async () => {
  const s = await meetingScene().joined();
  s.hear('quality-limitation');
  const held = (qualityLimitationReason) => (s.platform.peers[0].stats = [{ id: 'o', type: 'outbound-rtp', qualityLimitationReason }]);
  for (const reason of ['none', 'bandwidth', 'bandwidth', 'cpu', 'none']) {
    held(reason);
    await s.platform.advance(4000);
  }
  assert.deepEqual(s.log.map(([, { type, state }]) => [type, state]), [['bandwidth', 'detected'], ['bandwidth', 'resolved'], ['cpu', 'detected'], ['cpu', 'resolved']]);
});

test('a microphone without any sound is told of, and when it has some again; a muted one is not', async () => {
  const s = await meetingScene({ micEnabled: true }).joined();
  s.hear('audio-input-silence');
  const { track } = s.meeting.room.publications[0];
  track.label = 'Headset';
  const hear = async (totalAudioEnergy) => {
    s.platform.peers[0].stats = [{ id: 'm', type: 'media-source', trackIdentifier: track.id, totalAudioEnergy }];
    await s.platform.advance(4000);
  };
  for (const energy of [1, 2, 2, 2, 2, 3]) await hear(energy);
  assert.deepEqual(s.log.map(([, { deviceLabel, state }]) => [deviceLabel, state]), [['Headset', 'detected'], ['Headset', 'resolved']]);
  await s.meeting.muteMic();
  for (let i = 0; i < 5; i++) await hear(3);
  assert.equal(s.log.length, 2);
});

test('hosted services reject with not-supported and the number of their failure', async () => {
  const { meeting } = meetingScene();
  const numbers = {
    startLivestream: 4013, stopLivestream: 4014, startHls: 4016, stopHls: 4017, startTranscription: 4031,
    stopTranscription: 4032, requestMediaRelay: 4078, stopMediaRelay: 4079, startWhiteboard: null, stopWhiteboard: null, uploadBase64File: null, fetchBase64File: null,
  };
  for (const [method, number] of Object.entries(numbers)) await assert.rejects(meeting[method](), { code: 'not-supported', number }, method);
  for (const method of ['getNetworkStats', 'runPreCallTest']) await assert.rejects(VideoSDK[method](), { code: 'not-supported' }, method);
  assert.throws(() => VideoSDK.setKeyProvider(), { code: 'invalid-argument' });
  assert.deepEqual([meeting.recordingState, meeting.hlsState, meeting.isE2EEEnabled], [null, null, false]);
});

test('options that cannot be right', () => {
  assert.throws(() => meetingScene({ mode: 'LOUD' }), { code: 'invalid-argument' });
  assert.throws(() => meetingScene({ preferredProtocol: 'TCP_ONLY' }), { code: 'not-supported' });
  assert.throws(() => meetingScene({ stateModel: 'seven' }), { code: 'invalid-argument' });
  assert.throws(() => meetingScene({ participantId: 'two words' }), { code: 'invalid-argument' });
});
