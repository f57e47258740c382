/** The React packages in browsers: real React, in StrictMode, against the server. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { until } from './support/caller.js';
import { openReact, serveReact } from './support/react-page.js';
import { scene } from './support/scene.js';

let react;
before(async () => {
  react = await serveReact();
});
after(() => react.stop());

/** An app that shows everybody, picture and sound; `package` says which of the two packages. */
const app = (name, packageName = '@enfilade/react', setUp = '') => `
  import { createElement as h, useEffect, useRef } from 'react';
  import { MeetingProvider, useMeeting, useParticipant } from '${packageName}';
  ${setUp}
  function Media({ kind, stream }) {
    const element = useRef(null);
    useEffect(() => {
      element.current.srcObject = stream && new window.MediaStream([stream.track]);
      if (stream) element.current.play().catch(() => {});
    }, [stream]);
    return h(kind, { ref: element, playsInline: true, muted: kind === 'video' });
  }
  function Person({ id }) {
    const { displayName, isLocal, webcamStream, micStream } = useParticipant(id);
    return h('section', { title: displayName }, webcamStream && h(Media, { kind: 'video', stream: webcamStream }), !isLocal && micStream && h(Media, { kind: 'audio', stream: micStream }));
  }
  function Call() {
    const meeting = (window.meeting = useMeeting({ onMeetingJoined: () => window.joined++, onParticipantJoined: (p) => window.came.push(p.displayName) }));
    return [...meeting.participants.keys()].map((id) => h(Person, { key: id, id }));
  }
  Object.assign(window, { joined: 0, came: [] });
  const config = { meetingId: 'react', name: '${name}', maxResolution: 'sd' };
  window.mount(h(MeetingProvider, { config, token: await window.token('react'), joinWithoutUserInteraction: true }, h(Call)));
`;

/** Who plays: [name, tag], sorted. */
const playing = (page) =>
  page.evaluate(() => [...document.querySelectorAll('video, audio')].filter((e) => !e.paused && e.currentTime > 0).map((e) => `${e.parentElement.title} ${e.tagName}`).sort());

const shows = (page, expected) => until(`${expected}`, () => playing(page), (seen) => JSON.stringify(seen) === JSON.stringify(expected));

scene('React: two people see and hear each other, each joins once, and whoever unmounts is gone', { browsers: ['chromium', 'firefox'] }, async ({ browsers, server }) => {
  const ann = await openReact(browsers.chromium, server.url, react.url, app('Ann'));
  const bob = await openReact(browsers.firefox, server.url, react.url, app('Bob'));
  for (const [page, other] of [[ann, 'Bob'], [bob, 'Ann']]) {
    const own = page === ann ? 'Ann' : 'Bob';
    await shows(page, [`${other} AUDIO`, `${other} VIDEO`, `${own} VIDEO`].sort());
    assert.deepEqual(await page.evaluate(() => [window.joined, window.came]), [1, [other]]);
  }
  await bob.evaluate(() => window.unmount());
  await until('Bob is gone', () => ann.evaluate(() => window.meeting.participants.size), (n) => n === 1);
  assert.deepEqual([ann.faults, bob.faults], [[], []]);
});

scene('React Native: the same call, with the WebRTC of a browser registered in place of a phone\'s', {}, async ({ browsers, server }) => {
  const phone = `
    import { register } from '@enfilade/react-native';
    register({ RTCPeerConnection, MediaStream, RTCRtpReceiver, mediaDevices: navigator.mediaDevices }, { signalingBaseUrl: location.origin });`;
  const ann = await openReact(browsers.chromium, server.url, react.url, app('Ann', '@enfilade/react-native', phone));
  const bob = await openReact(browsers.chromium, server.url, react.url, app('Bob'));
  await shows(ann, ['Ann VIDEO', 'Bob AUDIO', 'Bob VIDEO']);
  await shows(bob, ['Ann AUDIO', 'Ann VIDEO', 'Bob VIDEO']);
  await ann.evaluate(() => window.unmount());
  await until('Ann is gone', () => bob.evaluate(() => window.meeting.participants.size), (n) => n === 1);
  assert.deepEqual([ann.faults, bob.faults], [[], []]);
});

/** Somebody in a meeting that may be connected with the other one, after the examples of docs/MEETING_API.md in React's words. */
const connected = (name, meetingId, other) => `
  import { createElement as h, useState } from 'react';
  import { MeetingProvider, useConnection, useMeeting } from '@videosdk.live/react-sdk';
  Object.assign(window, { told: [], atFirst: null });
  function Room({ setToken, setMeetingId }) {
    window.meeting = useMeeting({
      onConnectionOpen: (connection) => window.told.push('open ' + connection.id + ' ' + connection.payload),
      onConnectionClose: (connectionId, reason) => window.told.push('close ' + connectionId + ' ' + reason),
      onSwitchMeeting: ({ meetingId, payload, token, connectionParticipantId, connectionMeetingId }) => {
        window.told.push(['switch', meetingId, payload, connectionParticipantId, connectionMeetingId].join(' '));
        setToken(token);
        setMeetingId(meetingId);
      },
    });
    const { connection } = useConnection('${other}', {
      onMeeting: {
        onParticipantJoined: (participant) => window.told.push('+' + participant.displayName),
        onParticipantLeft: (participantId) => window.told.push('-' + participantId),
        onChatMessage: ({ message, participantId }) => window.told.push(participantId + ' says: ' + message),
      },
    });
    window.connection = connection;
    window.atFirst ??= connection.meeting.participants.size;
    return [...connection.meeting.participants.values()].map((p) => h('li', { key: p.id }, p.displayName));
  }
  function App({ first }) {
    const [meetingId, setMeetingId] = useState('${meetingId}');
    const [token, setToken] = useState(first);
    const config = { meetingId, participantId: '${name}', name: '${name.toUpperCase()}', micEnabled: false, webcamEnabled: false, settings: { linkRights: ['roster', 'chat', 'switch', 'end'] } };
    return h(MeetingProvider, { config, token, reInitialiseMeetingOnConfigChange: true, joinWithoutUserInteraction: true }, h(Room, { setToken, setMeetingId }));
  }
  window.mount(h(App, { first: await window.token('${meetingId}', { participant: '${name}' }) }));
`;

scene('React: two meetings connect, see each other, write, ask somebody over, and part', { browsers: ['chromium', 'firefox'] }, async ({ browsers, server }) => {
  const ann = await openReact(browsers.chromium, server.url, react.url, connected('ann', 'A', 'B'));
  const bob = await openReact(browsers.firefox, server.url, react.url, connected('bob', 'B', 'A'));
  const told = (page, what) => until(what, () => page.evaluate(() => window.told), (all) => all.includes(what));
  const people = (page) => page.evaluate(() => [...document.querySelectorAll('li')].map((e) => e.textContent).sort());
  for (const page of [ann, bob]) await until('joined', () => page.evaluate(() => window.meeting?.isMeetingJoined), Boolean);
  assert.deepEqual(await ann.evaluate(() => [window.atFirst, window.connection.meeting.participants.size]), [0, 0]);
  assert.equal(await ann.evaluate(() => window.connection.meeting.sendChatMessage('x').catch((e) => e.code)), 'link-closed');

  await ann.evaluate(() => window.meeting.connectTo({ meetingId: 'B', payload: 'Hello Everyone.' }));
  await told(ann, 'open B Hello Everyone.');
  await told(bob, 'open A Hello Everyone.');
  await until('the people of B', () => people(ann), (all) => all.join() === 'BOB');
  await until('the people of A', () => people(bob), (all) => all.join() === 'ANN');
  await ann.evaluate(() => window.connection.meeting.sendChatMessage('Hi there, from MARS!'));
  await told(bob, 'ann says: Hi there, from MARS!');
  await until('ann hears nothing of her own', () => ann.evaluate(() => window.told.filter((t) => t.includes('says'))), (all) => all.length === 0);

  await ann.evaluate(async () => {
    const token = await window.token('A', { participant: 'bob' });
    await window.connection.meeting.participants.get('bob').switchTo({ meetingId: 'A', token, payload: 'payload' });
  });
  await told(bob, 'switch A payload ann A');
  await told(ann, '-bob');
  await until('bob is in A', () => ann.evaluate(() => [...window.meeting.participants.keys()].join()), (ids) => ids === 'ann,bob');
  await until('and knows it', () => bob.evaluate(() => [window.meeting.meetingId, window.meeting.isMeetingJoined].join()), (now) => now === 'A,true');
  assert.deepEqual([ann.faults, bob.faults], [[], []]);
});
