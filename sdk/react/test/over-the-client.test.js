/** The hooks over a real Meeting, a scripted platform and a scripted server. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { useEffect, useState } from 'react';
import { fakePlatform, settle as settleAll } from '../../client/test/fake-platform.js';
import { ScriptedServer } from '../../client/test/scripted-server.js';
import { camera, microphone, person } from '../../client/test/support.js';
import { createMeetingProvider, MeetingProvider, useConnection, useMediaDevice, useMeeting, useParticipant, usePubSub, VideoSDK } from '../index.js';
import { MEETING_EVENTS } from '../store/names.js';
import { h, page } from './scene.js';

/** A provider with this component in it, joined; `seen.hook` is what the component's hook gave last. */
async function call(useHook, { people = [], links = [], ...props } = {}) {
  const server = Object.assign(new ScriptedServer(), { participants: people, links });
  const platform = fakePlatform(server);
  const seen = {};
  const Call = () => {
    const hook = useHook();
    useEffect(() => void Object.assign(seen, { hook }));
    return null;
  };
  const config = { meetingId: 'r1', name: 'Ann', micEnabled: false, webcamEnabled: false, platform };
  const p = page();
  const Provider = props.provider ?? MeetingProvider;
  await p.render(h(Provider, { config, token: 't', joinWithoutUserInteraction: true, ...props }, h(Call)));
  await p.act(() => settleAll(60));
  return { server, platform, seen, config, ...p, event: (...what) => p.act(() => server.event(...what)) };
}

const link = (more = {}) => ({ link: 'garden', payload: 'Hello', rights: ['roster', 'chat', 'switch'], participants: [{ id: 'zoe', displayName: 'ZOE' }], ...more });

test('a call in StrictMode: one join, people with pictures, names that change, one leave, nothing left behind', async () => {
  const s = await call(() => ({ ...useMeeting(), bob: useParticipant('bob') }), { people: [person('bob', [camera(3), microphone(4)])] });
  assert.equal(s.server.requests('join').length, 1);
  const { meeting } = s.seen.hook;
  assert.deepEqual([[...s.seen.hook.participants.keys()], s.seen.hook.meetingState, s.seen.hook.mainParticipant.id], [['me', 'bob'], 'CONNECTED', 'bob']);
  await s.event('seats', { seats: [{ seat: 0, participant: 'bob', audio: 4, video: 3 }] });
  assert.deepEqual([s.seen.hook.bob.webcamOn, s.seen.hook.bob.webcamStream.track.kind, s.seen.hook.bob.micOn], [true, 'video', true]);
  await s.event('participant.updated', { participant: 'bob', displayName: 'Robert' });
  assert.equal(s.seen.hook.bob.displayName, 'Robert');
  await s.event('speakers', { speakers: [{ participant: 'bob', level: 50 }] });
  assert.equal(s.seen.hook.bob.isActiveSpeaker, true);
  await s.act(() => s.seen.hook.toggleMic());
  assert.equal(s.seen.hook.localMicOn, true);
  const bob = meeting.participants.get('bob');
  await s.unmount();
  await settleAll(60);
  assert.equal(s.server.requests('leave').length, 1);
  assert.deepEqual(Object.values(MEETING_EVENTS).filter((event) => meeting.listeners(event).length > 0), []);
  assert.deepEqual(bob.listeners('media-status-changed'), []);
});

test('connections: there before us, told once each in StrictMode, also to a component that comes late', async () => {
  const opened = [];
  let show;
  const Late = () => (useMeeting({ onConnectionOpen: (c) => opened.push(['late', c.id]) }), null);
  const s = await call(
    () => useMeeting({ onConnectionOpen: (c) => opened.push(['early', c.id]) }),
    { links: [link()], provider: (props) => h(MeetingProvider, props, props.children, h(Aside)) },
  );
  function Aside() {
    const [late, setLate] = useState(false);
    show = setLate;
    return late && h(Late);
  }
  assert.deepEqual([opened, [...s.seen.hook.connections.keys()]], [[['early', 'garden']], ['garden']]);
  await s.act(() => show(true));
  assert.deepEqual(opened.slice(1), [['late', 'garden']]);
  await s.event('link.opened', link({ link: 'attic' }));
  assert.deepEqual(opened.slice(2).map(([, id]) => id), ['attic', 'attic']);
  await s.unmount();
});

test('useConnection over the wire: read before it is open, connect, roster, chat, closed', async () => {
  const heard = [];
  const s = await call(() => ({
    ...useMeeting(),
    garden: useConnection('garden', { onMeeting: { onParticipantJoined: (p) => heard.push(`+${p.id}`), onParticipantLeft: (id) => heard.push(`-${id}`), onChatMessage: ({ message, participantId }) => heard.push(`${participantId}: ${message}`) } }),
  }));
  assert.deepEqual([s.seen.hook.garden.isOpen, s.seen.hook.garden.connection.meeting.participants.get('zoe')], [false, undefined]);
  await assert.rejects(s.seen.hook.garden.connection.meeting.sendChatMessage('hi'), { code: 'link-closed' });
  await s.act(() => s.seen.hook.connectTo({ meetingId: 'garden', payload: 'Hello Everyone.' }));
  assert.deepEqual([s.seen.hook.garden.isOpen, s.seen.hook.garden.connection.payload], [true, 'Hello Everyone.']);
  await s.event('link.roster', { link: 'garden', joined: [{ id: 'zoe', displayName: 'ZOE' }], left: [] });
  const zoe = s.seen.hook.garden.connection.meeting.participants.get('zoe');
  assert.deepEqual([zoe?.displayName, s.seen.hook.garden.participants.get('zoe')], ['ZOE', zoe]);
  await s.act(() => zoe.switchTo({ meetingId: 'r1', token: 'JWT', payload: 'payload' }));
  assert.equal(s.server.requests('switch').length, 1);
  await s.event('link.chat', { link: 'garden', message: 'l-2', participant: 'zoe', displayName: 'ZOE', text: 'hi', timestampMs: 1 });
  await s.event('link.closed', { link: 'garden', reason: 'remote-ended' });
  assert.deepEqual([heard, s.seen.hook.garden.isOpen], [['+zoe', 'zoe: hi', '-zoe'], false]);
  await s.unmount();
});

test('onSwitchMeeting, then other config and token: the participant is in the other meeting', async () => {
  const server = new ScriptedServer();
  const platform = fakePlatform(server);
  const seen = {};
  const p = page();
  const Inside = ({ go }) => {
    const hook = useMeeting({ onSwitchMeeting: go });
    useEffect(() => void Object.assign(seen, { hook }));
    return null;
  };
  const App = () => {
    const [meetingId, setMeetingId] = useState('r1');
    const [token, setToken] = useState('t');
    const go = (event) => {
      setToken(event.token);
      setMeetingId(event.meetingId);
    };
    const config = { meetingId, name: 'Ann', micEnabled: false, webcamEnabled: false, platform };
    return h(MeetingProvider, { config, token, reInitialiseMeetingOnConfigChange: true, joinWithoutUserInteraction: true }, h(Inside, { go }));
  };
  await p.render(h(App));
  await p.act(() => settleAll(60));
  await p.act(() => server.event('switch', { room: 'garden', token: 'JWT', payload: 'payload', participant: 'zoe', link: 'garden' }));
  await p.act(() => settleAll(60));
  assert.deepEqual(server.requests('join').map((m) => [m.room, m.token]), [['r1', 't'], ['garden', 'JWT']]);
  assert.equal(server.requests('leave').length, 1);
  assert.deepEqual([seen.hook.meetingId, seen.hook.isMeetingJoined], ['garden', true]);
  await p.unmount();
});

test('meeting.switchTo: the same provider shows the other meeting, topics begin anew', async () => {
  const s = await call(() => ({ ...useMeeting(), chat: usePubSub('CHAT') }), { people: [person('bob')] });
  await s.event('topic.message', { message: 'm-1', topic: 'CHAT', participant: 'bob', displayName: 'BOB', payload: { message: 'hello' }, timestampMs: 1 });
  assert.deepEqual(s.seen.hook.chat.messages.map((m) => m.message), ['hello']);
  s.server.participants = [person('zoe')];
  await s.act(async () => {
    const moved = s.seen.hook.switchTo({ meetingId: 'garden', token: 'JWT' });
    await settleAll(200);
    await moved;
  });
  assert.deepEqual([s.seen.hook.meetingId, [...s.seen.hook.participants.keys()], s.seen.hook.chat.messages], ['garden', ['me', 'zoe'], []]);
  await s.event('participant.updated', { participant: 'zoe', displayName: 'Zoë' });
  assert.equal(s.seen.hook.participants.get('zoe').displayName, 'Zoë');
  await s.unmount();
});

test('usePubSub over the wire: kept messages first, then new ones, and what we publish', async () => {
  const heard = [];
  const server = new ScriptedServer();
  server.kept = [{ message: 'm-0', participant: 'bob', displayName: 'BOB', payload: { message: 'old' }, timestampMs: 1 }];
  const s = await call(() => usePubSub('CHAT', { onOldMessagesReceived: (ms) => heard.push(ms.map((m) => m.message)), onMessageReceived: (m) => heard.push(m.message) }), { config: { meetingId: 'r1', micEnabled: false, webcamEnabled: false, platform: fakePlatform(server) } });
  assert.deepEqual([heard, server.requests('topic.subscribe').length], [[['old']], 1]);
  await s.act(() => server.event('topic.message', { message: 'm-1', topic: 'CHAT', participant: 'bob', displayName: 'BOB', payload: { message: 'new' }, timestampMs: 2 }));
  assert.deepEqual([heard, s.seen.hook.messages.map((m) => m.message)], [[['old'], 'new'], ['old', 'new']]);
  await s.act(() => s.seen.hook.publish('mine', { persist: true }));
  assert.deepEqual(server.requests('topic.publish')[0].message, { message: 'mine' });
  await assert.rejects(s.seen.hook.publish(7), { code: 'invalid-argument' });
  await s.unmount();
});

test('a refused join is told by onError once, with the number of the Meeting API', async () => {
  const errors = [];
  const server = new ScriptedServer();
  server.on.join = () => {
    throw { code: 'token-expired' };
  };
  const s = await call(() => useMeeting({ onError: ({ code }) => errors.push(code) }), { config: { meetingId: 'r1', platform: fakePlatform(server) } });
  assert.deepEqual([errors, s.seen.hook.meetingState, s.seen.hook.isMeetingJoined], [[4002], 'FAILED', false]);
  await s.unmount();
});

test('useMediaDevice asks the browser, and listens only while it is mounted', async () => {
  const devices = [{ deviceId: 'c', kind: 'videoinput', label: 'Camera', groupId: '' }];
  const media = Object.assign(new EventTarget(), { enumerateDevices: async () => devices });
  Object.defineProperty(globalThis.navigator, 'mediaDevices', { value: media, configurable: true });
  const heard = [];
  let hook;
  const Precall = () => ((hook = useMediaDevice({ onDeviceChanged: (list) => heard.push(list.length) })), null);
  const p = page();
  await p.render(h(Precall));
  assert.deepEqual(await hook.getCameras(), devices);
  assert.deepEqual(await hook.getMicrophones(), []);
  await p.act(() => media.dispatchEvent(new Event('devicechange')));
  assert.deepEqual(heard, [1]);
  await p.unmount();
  media.dispatchEvent(new Event('devicechange'));
  await settleAll();
  assert.deepEqual(heard, [1]);
});

test('every method and event that the hooks name is one of the Meeting and the Participant', async () => {
  const { MEETING_METHODS, PARTICIPANT_METHODS } = await import('../store/names.js');
  const { Meeting, Participant } = await import('@enfilade/client');
  assert.deepEqual(MEETING_METHODS.filter((name) => typeof Meeting.prototype[name] !== 'function'), []);
  assert.deepEqual(PARTICIPANT_METHODS.filter((name) => typeof Participant.prototype[name] !== 'function'), []);
  const own = Object.getOwnPropertyNames(Participant.prototype).filter((name) => /^(get|set|consume|stopConsuming|enable|disable|pin$|unpin|remove|switchTo|capture)/.test(name));
  assert.deepEqual(own.filter((name) => !PARTICIPANT_METHODS.includes(name)), []);
  assert.equal(createMeetingProvider(VideoSDK.initMeeting).name, 'MeetingProvider');
});
