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
