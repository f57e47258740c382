import assert from 'node:assert/strict';
import test from 'node:test';
import { act } from 'react';
import * as sdk from '../index.js';
import { h, phone, render, settle } from './phone.js';

const { MeetingProvider, MediaStream, RTCView, getAudioDeviceList, register, switchAudioDevice, useMediaDevice, useMeeting, useParticipant } = sdk;
const config = { meetingId: 'r1', name: 'Ann', micEnabled: false, webcamEnabled: false };

/** A meeting in an app; `seen` is what the hook gave last. */
async function app(t, useHook, { surroundings = { signalingBaseUrl: 'https://sfu.example' }, ...props } = {}) {
  const p = phone();
  register(p.webrtc, surroundings);
  const seen = {};
  const Screen = () => {
    seen.hook = useHook();
    return null;
  };
  const screen = await render(h(MeetingProvider, { config, token: 't', joinWithoutInteraction: true, ...props }, h(Screen)));
  t.after(() => screen.unmount()); // a meeting that goes on keeps the process alive
  return Object.assign(p, { seen, screen });
}

test('before register everything says what to do', async () => {
  await assert.rejects(getAudioDeviceList(), { code: 'invalid-state', message: /register\(webrtc\)/ });
  assert.throws(() => register(), { code: 'invalid-argument', message: /react-native-webrtc/ });
  assert.throws(() => register({ RTCPeerConnection: class {}, MediaStream: class {} }), { code: 'invalid-argument', message: /mediaDevices/ });
});

test('a meeting over what was registered: joined once in StrictMode, left on unmount, no global set and no DOM needed', async (t) => {
  const before = new Set(Object.getOwnPropertyNames(globalThis)).add('WebSocket');
  const events = [];
  const s = await app(t, () => useMeeting({ onMeetingJoined: () => events.push('joined') }));
  assert.deepEqual([s.sockets.map((x) => x.url), s.peers.length, s.server.requests('join').length], [['wss://sfu.example/v1/signal'], 1, 1]);
  assert.deepEqual([events, s.seen.hook.isMeetingJoined, [...s.seen.hook.participants.keys()]], [['joined'], true, ['me']]);
  await s.screen.unmount();
  assert.deepEqual([s.server.requests('leave').length, s.peers[0].closed], [1, true]);
  assert.deepEqual(Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name)), []);
  assert.equal(typeof document, 'undefined');
});

test('defaultCamera and notification are taken; the camera of a device id stays that camera', async (t) => {
  const s = await app(t, () => useMeeting(), { config: { ...config, webcamEnabled: true, defaultCamera: 'back', notification: { title: 'Call', message: 'runs' } } });
  assert.equal(s.asked.media[0].video.facingMode, 'environment');
  await act(async () => s.seen.hook.changeWebcam('1'));
  assert.equal(s.asked.media[1].video.facingMode, undefined);
  const front = await app(t, () => useMeeting(), { config: { ...config, webcamEnabled: true, defaultCamera: 'front' } });
  assert.equal(front.asked.media[0].video.facingMode, 'user');
});

test('tracks of one\'s own come from what was registered', async () => {
  const { webrtc, asked } = phone();
  register(webrtc);
  const stream = await sdk.createCameraVideoTrack({ facingMode: 'environment' });
  assert.ok(stream instanceof webrtc.MediaStream);
  assert.equal(asked.media[0].video.facingMode, 'environment');
  assert.deepEqual((await sdk.VideoSDK.getCameras()).length, 2);
});

test('without an address of the server join says so', async (t) => {
  const errors = [];
  const s = await app(t, () => useMeeting({ onError: (e) => errors.push(e.name) }), { surroundings: {} });
  assert.deepEqual(errors, ['invalid-argument']);
  await s.screen.unmount();
});

test('the app coming to the front mends a broken connection at once', async (t) => {
  const listeners = new Set();
  const AppState = { addEventListener: (event, listener) => (listeners.add(listener), { remove: () => listeners.delete(listener) }) };
  const s = await app(t, () => useMeeting(), { surroundings: { signalingBaseUrl: 'https://sfu.example', AppState } });
  assert.equal(listeners.size, 1);
  s.server.reachable = false;
  await act(async () => s.sockets[0].break());
  await settle();
  const tries = s.sockets.length;
  s.server.reachable = true;
  await act(async () => listeners.forEach((l) => l('background')));
  await settle();
  assert.equal(s.sockets.length, tries);
  await act(async () => listeners.forEach((l) => l('active')));
  await settle();
  assert.deepEqual([s.sockets.length, s.seen.hook.meetingState], [tries + 1, 'CONNECTED']);
  await s.screen.unmount();
  assert.equal(listeners.size, 0);
});

test('RTCView and MediaStream are those that were registered', async () => {
  const { webrtc } = phone();
  register(webrtc);
  const stream = new MediaStream([{ kind: 'video' }]);
  assert.ok(stream instanceof webrtc.MediaStream);
  const screen = await render(h(RTCView, { streamURL: stream.toURL(), objectFit: 'cover' }));
  assert.deepEqual(screen.json().props, { streamURL: 'stream of video', objectFit: 'cover' });
  await screen.unmount();
});

test('startLiveStream and startLivestream are one; a participant keeps switchTo', async (t) => {
  const s = await app(t, () => ({ ...useMeeting(), somebody: useParticipant('me') }));
  assert.equal(typeof s.seen.hook.somebody.switchTo, 'function');
  const [one, other] = await Promise.allSettled([s.seen.hook.startLiveStream([]), s.seen.hook.startLivestream([])]);
  assert.deepEqual([one.status, one.reason?.code], ['rejected', other.reason?.code]);
  await s.screen.unmount();
});

test('audio routes need something that knows them, and are told as it tells them', async () => {
  const { webrtc } = phone();
  register(webrtc);
  await assert.rejects(getAudioDeviceList(), { code: 'not-supported', message: /InCallManager/ });
  await assert.rejects(switchAudioDevice('SPEAKER_PHONE'), { code: 'not-supported', message: /InCallManager/ });

  const events = new Set();
  const audioEvents = { addListener: (name, listener) => (events.add(listener), { remove: () => events.delete(listener) }) };
  const chosen = [];
  const audio = { chooseAudioRoute: async (route) => (chosen.push(route), { availableAudioDeviceList: '["SPEAKER_PHONE","EARPIECE"]', selectedAudioDevice: route }) };
  register(webrtc, { audio, audioEvents });
  assert.deepEqual(await getAudioDeviceList(), []);
  await switchAudioDevice('EARPIECE');
  assert.deepEqual([chosen, (await getAudioDeviceList()).map((d) => [d.deviceId, d.selected])], [['EARPIECE'], [['SPEAKER_PHONE', false], ['EARPIECE', true]]]);

  const heard = [];
  const Screen = () => (useMediaDevice({ onAudioDeviceChanged: (devices) => heard.push(devices.map((d) => d.deviceId)) }), null);
  const screen = await render(h(Screen));
  assert.equal(events.size, 1);
  events.forEach((tell) => tell({ availableAudioDeviceList: '["BLUETOOTH"]', selectedAudioDevice: 'BLUETOOTH' }));
  events.forEach((tell) => tell({ availableAudioDeviceList: 'nonsense' }));
  assert.deepEqual(heard, [['BLUETOOTH'], []]);
  await screen.unmount();
  assert.equal(events.size, 0);
});

test('on iOS, where routes cannot be chosen by name, the speaker can', async () => {
  const { webrtc } = phone();
  const speaker = [];
  register(webrtc, { audio: { chooseAudioRoute: async () => { throw new TypeError('undefined is not a function'); }, setForceSpeakerphoneOn: (on) => speaker.push(on) } });
  await switchAudioDevice('SPEAKER_PHONE');
  await switchAudioDevice('EARPIECE');
  assert.deepEqual(speaker, [true, false]);
  await assert.rejects(switchAudioDevice('BLUETOOTH'), { code: 'not-supported', message: /BLUETOOTH/ });
});

test('useMediaDevice: devices with the side a camera faces, permissions, changes', async () => {
  const p = phone();
  register(p.webrtc);
  const heard = [];
  let hook;
  const Screen = () => ((hook = useMediaDevice({ onDeviceChanged: (devices) => heard.push(devices.length) })), null);
  const screen = await render(h(Screen));
  assert.deepEqual((await hook.getCameras()).map((c) => c.facingMode), ['back', 'front']);
  assert.deepEqual((await hook.getMicrophones()).map((c) => c.deviceId), ['audio-1']);
  assert.equal((await hook.getDevices()).length, 3);
  assert.deepEqual([...(await hook.checkPermissions())], [['audio', false], ['video', true]]);
  assert.deepEqual([...(await hook.requestPermission('video'))], [['video', true]]);
  assert.deepEqual(p.asked.permissions, [['query', 'microphone'], ['query', 'camera'], ['request', 'camera']]);
  await assert.rejects(hook.requestPermission('smell'), { code: 'invalid-argument' });
  await assert.rejects(hook.checkBlueToothPermission(), { code: 'not-supported' });
  p.webrtc.mediaDevices.dispatchEvent(new Event('devicechange'));
  await settle();
  assert.deepEqual(heard, [3]);
  await screen.unmount();
  p.webrtc.mediaDevices.dispatchEvent(new Event('devicechange'));
  await settle();
  assert.deepEqual(heard, [3]);
});
