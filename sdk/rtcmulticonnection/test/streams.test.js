import assert from 'node:assert/strict';
import test from 'node:test';
import { camera, FakeStream, FakeTrack, microphone, person, scene, settle } from './support.js';

/** What somebody using this API publishes as one stream. */
const pair = (first = 3, stream = 'their-stream') => [
  camera(first, { metadata: { stream, track: 1, of: 2 } }),
  microphone(first + 1, { metadata: { stream, track: 0, of: 2 } }),
];
const seat = (s, audio, video, number = 0) => s.server.event('seats', { seats: [{ seat: number, participant: 'bob', audio, video }] });

test('the local stream is shown silently in an element with the id of the stream', async () => {
  const s = scene();
  await s.opened();
  const [[event]] = s.of('onstream');
  assert.equal(event.mediaElement.id, event.streamid);
  assert.deepEqual(
    [event.mediaElement.tagName, event.mediaElement.muted, event.mediaElement.volume, event.mediaElement.autoplay, event.isAudioMuted],
    ['VIDEO', true, 0, true, true],
  );
  assert.ok('playsinline' in event.mediaElement.attributes);
  assert.deepEqual([event.stream.isVideo, event.stream.isAudio, event.stream.isScreen], [true, false, false]);
  assert.equal(s.connection.streamEvents[event.streamid], event);
});

test('onstream of somebody else comes once, with sound and picture in one stream', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, null, 3);
  assert.equal(s.of('onstream').length, 1); // ours; the sound of theirs is still to come
  seat(s, 4, 3);
  const [, [event]] = s.of('onstream');
  assert.deepEqual([event.type, event.userid, event.streamid, event.stream.getTracks().length], ['remote', 'bob', 'their-stream', 2]);
  assert.notEqual(event.mediaElement.muted, true);
  assert.deepEqual(s.connection.peers.bob.streams, [event.stream]);
});

test('a stream whose other half never comes is shown after a second', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, null);
  await s.platform.advance(900);
  assert.equal(s.of('onstream').length, 1);
  await s.platform.advance(100);
  const [, [event]] = s.of('onstream');
  assert.deepEqual([event.stream.getTracks().length, event.mediaElement.tagName], [1, 'VIDEO']);
  seat(s, 4, 3); // the picture gets a place later: same stream, same element
  assert.deepEqual([event.stream.getTracks().length, s.of('onstream').length], [2, 2]);
});

test('a stream that loses its place and finds another stays the same stream', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, 3);
  const [, [event]] = s.of('onstream');
  seat(s, null, null);
  assert.equal(event.stream.getTracks().length, 0);
  seat(s, 4, 3, 1);
  assert.deepEqual([event.stream.getTracks().length, s.of('onstream').length, s.of('onstreamended').length], [2, 2, 0]);
});

test('onstreamended comes when the last track was withdrawn, and before onleave', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, 3);
  s.server.event('publication.removed', { participant: 'bob', publication: 3 });
  assert.equal(s.of('onstreamended').length, 0);
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  assert.deepEqual(s.heard.filter(([name]) => name === 'onstreamended' || name === 'onleave').map(([name, e]) => [name, e.userid]), [['onstreamended', 'bob'], ['onleave', 'bob']]);
  assert.deepEqual(Object.keys(s.connection.streamEvents).length, 1);
});

test('people of other clients, who say nothing of streams, have a camera and a screen', async () => {
  const s = scene();
  s.server.participants = [person('bob', [camera(3), microphone(4), { ...camera(5), source: 'screen' }])];
  await s.opened();
  s.server.event('seats', { seats: [{ seat: 0, participant: 'bob', audio: 4, video: 3 }, { seat: 1, participant: 'bob', audio: null, video: 5 }] });
  assert.deepEqual(s.of('onstream').slice(1).map(([e]) => [e.streamid, e.stream.isVideo, e.stream.isScreen, e.stream.getTracks().length]), [['bob-camera', true, false, 2], ['bob-screen', false, true, 1]]);
});

test('two who name their streams alike are told apart', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair(3, 'x')), person('eve', pair(5, 'x'))];
  await s.opened();
  s.server.event('seats', { seats: [{ seat: 0, participant: 'bob', audio: 4, video: 3 }, { seat: 1, participant: 'eve', audio: 6, video: 5 }] });
  assert.deepEqual(s.of('onstream').slice(1).map(([e]) => [e.userid, e.streamid]), [['bob', 'x'], ['eve', 'eve x']]);
});

test('nobody takes the name of our stream, nor one that means something', async () => {
  const s = scene();
  await s.opened();
  const [[{ streamid }]] = s.of('onstream');
  for (const [i, name] of [streamid, 'selectAll', '__proto__'].entries()) {
    const publication = camera(10 + i, { metadata: { stream: name, track: 0, of: 1 } });
    s.server.event('participant.joined', { participant: person(`p${i}`, [publication]) });
    s.server.event('seats', { seats: [{ seat: i, participant: `p${i}`, audio: null, video: 10 + i }] });
  }
  assert.equal(s.connection.streamEvents[streamid].userid, 'me');
  assert.deepEqual(s.of('onstream').map(([e]) => e.streamid), [streamid, `p0 ${streamid}`, 'p1 selectAll', 'p2 __proto__']);
  assert.equal(s.connection.streamEvents.selectAll('remote').length, 3);
});

test('mute tells the room, and us once for both kinds', async () => {
  const s = scene();
  await s.opened();
  const [[{ stream }]] = s.of('onstream');
  stream.mute('audio');
  stream.mute();
  stream.unmute();
  await settle();
  assert.deepEqual(s.heard.filter(([n]) => n === 'onmute' || n === 'onunmute').map(([n, e]) => [n, e.muteType ?? e.unmuteType]), [['onmute', 'audio'], ['onmute', 'both'], ['onunmute', 'both']]);
  assert.deepEqual(s.server.requests('mute').map(({ publication, muted }) => [publication, muted]), [[1, true], [2, true], [1, false], [2, false]]);
  assert.ok(stream.getTracks().every(({ enabled }) => enabled));
});

test('mute before there is a room holds when there is one', async () => {
  const s = scene();
  await new Promise((resolve) => s.connection.captureUserMedia(resolve));
  s.connection.attachStreams[0].mute('video');
  await s.opened();
  assert.deepEqual(s.server.requests('offer')[0].publish.map(({ source, muted }) => [source, muted]), [['microphone', false], ['camera', true]]);
});

test('a moderator who switches our camera off is told of here, and unmute opens it again', async () => {
  const s = scene();
  await s.opened();
  s.server.event('media.requested', { participant: 'ann', source: 'camera', on: false });
  await settle();
  assert.deepEqual(s.of('onmute').map(([e]) => e.muteType), ['video']);
  const { stream } = s.of('onstream')[0][0];
  const [closed] = stream.getVideoTracks();
  assert.equal(closed.readyState, 'ended');
  stream.unmute('video');
  await settle(100);
  assert.deepEqual([stream.getVideoTracks()[0].readyState, s.asked.length], ['live', 2]);
  assert.equal(s.of('onstreamended').length, 0);
});

test('when somebody else mutes, we hear what', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, 3);
  s.server.event('publication.updated', { participant: 'bob', publication: { ...pair()[1], muted: true } });
  s.server.event('publication.updated', { participant: 'bob', publication: { ...pair()[1], muted: true, codec: 'red' } });
  s.server.event('publication.updated', { participant: 'bob', publication: { ...pair()[1], muted: false } });
  assert.deepEqual(s.of('onmute').map(([e]) => [e.userid, e.muteType]), [['bob', 'audio']]);
  assert.deepEqual(s.of('onunmute').map(([e]) => [e.userid, e.unmuteType]), [['bob', 'audio']]);
});

test('muting somebody else is for us alone, and the place is left to others unmuted', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, 3);
  const [, [{ stream }]] = s.of('onstream');
  const [sound] = stream.getAudioTracks();
  stream.mute('audio');
  await settle();
  assert.deepEqual([sound.enabled, s.server.requests('subscribe').map(({ publication, paused }) => [publication, paused])], [false, [[4, true]]]);
  assert.equal(s.server.requests('mute').length, 0);
  seat(s, null, 3);
  assert.equal(sound.enabled, true);
});

test('stop ends a stream of ours for everybody, and one of somebody else for us', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, 3);
  const [[ours], [theirs]] = s.of('onstream');
  theirs.stream.stop();
  ours.stream.stop();
  await settle();
  assert.deepEqual(s.of('onstreamended').map(([e]) => e.userid), ['bob', 'me']);
  assert.deepEqual(s.server.requests('unsubscribe').map(({ publication }) => publication), [3, 4]);
  assert.deepEqual(s.server.requests('unpublish').map(({ publication }) => publication), [1, 2]);
  assert.deepEqual(s.connection.attachStreams, []);
});

test('a device that ends ends its stream when it was the last', async () => {
  const s = scene();
  await s.opened();
  const [sound, picture] = s.connection.attachStreams[0].getTracks();
  picture.end();
  await settle();
  assert.deepEqual([s.server.requests('unpublish').length, s.of('onstreamended').length], [1, 0]);
  sound.end();
  await settle();
  assert.deepEqual([s.server.requests('unpublish').length, s.of('onstreamended').length], [2, 1]);
});

test('streams of the application are sent instead of devices', async () => {
  const s = scene();
  s.connection.dontCaptureUserMedia = true;
  const own = new FakeStream([new FakeTrack('video')]);
  s.connection.attachStreams.push(own);
  await s.opened();
  assert.deepEqual(s.server.requests('offer')[0].publish.map(({ source, metadata }) => [source, metadata]), [['camera', { stream: own.id, track: 0, of: 1 }]]);
  assert.deepEqual([s.asked.length, s.of('onstream').length], [0, 0]);
});

test('dontAttachStream shows our camera and sends it to nobody', async () => {
  const s = scene();
  s.connection.dontAttachStream = true;
  await s.opened();
  assert.deepEqual([s.of('onstream').length, s.server.requests('offer')[0].publish ?? []], [1, []]);
});

test('dontGetRemoteStream receives nothing', async () => {
  const s = scene();
  s.connection.dontGetRemoteStream = true;
  await s.opened();
  assert.equal(s.server.requests('join')[0].autoSubscribe, false);
});

test('addStream opens a screen and sends it; removeStream ends it for the others', async () => {
  const s = scene();
  await s.opened();
  let given;
  s.connection.addStream({ screen: true, streamCallback: (stream) => (given = stream) });
  await settle(100);
  assert.equal(given.isScreen, true);
  assert.deepEqual(s.server.requests('offer').at(-1).publish.map(({ source }) => source), ['screen']);
  s.connection.removeStream('screen');
  await settle(100);
  assert.deepEqual([s.server.requests('unpublish').length, s.connection.attachStreams.length, given.getTracks()[0].readyState], [1, 1, 'live']);
});

test('a screen and a camera in one session are two streams', async () => {
  const s = scene({ session: { audio: true, video: true, screen: true } });
  await s.opened();
  assert.deepEqual(s.server.requests('offer')[0].publish.map(({ source }) => source), ['screen', 'microphone', 'camera']);
  assert.deepEqual(s.of('onstream').map(([e]) => e.stream.isScreen), [true, false]);
});

test('replaceTrack sends another track in the old one\'s place, and resetTrack undoes it', async () => {
  const s = scene();
  await s.opened();
  const sender = s.pc.transceivers.find((t) => t.sender.track?.kind === 'video').sender;
  const own = sender.track;
  const other = new FakeTrack('video');
  s.connection.replaceTrack(other);
  await settle();
  assert.equal(sender.track, other);
  assert.equal(own.readyState, 'live');
  s.connection.resetTrack(null, true);
  await settle();
  assert.equal(sender.track, own);
});

test('replaceTrack with nothing to replace is an error that is told', async () => {
  const s = scene({ session: { audio: true } });
  await s.opened();
  s.connection.replaceTrack(new FakeTrack('video'));
  await settle();
  assert.deepEqual(s.of('onerror').map(([e]) => e.code), ['INVALID_STATE']);
});

test('a camera that may not be opened stops open before it begins', async () => {
  const s = scene();
  s.platform.mediaDevices.getUserMedia = async () => {
    throw Object.assign(new Error('Permission denied'), { name: 'NotAllowedError' });
  };
  const [succeeded, , error, { code }] = await s.opened();
  assert.deepEqual([succeeded, error, code], [false, 'Permission denied', 'PERMISSION_DENIED']);
  assert.deepEqual(s.of('onMediaError').map(([e, constraints]) => [e.name, constraints]), [['NotAllowedError', { audio: true, video: true }]]);
  assert.equal(s.server.requests('join').length, 0);
});

test('a computer without a camera calls with the microphone alone', async () => {
  const s = scene();
  const real = s.platform.mediaDevices.getUserMedia;
  s.platform.mediaDevices.getUserMedia = async (constraints) => {
    if (constraints.video) throw Object.assign(new Error('none'), { name: 'NotFoundError' });
    return real(constraints);
  };
  assert.equal((await s.opened())[0], true);
  assert.deepEqual(s.server.requests('offer')[0].publish.map(({ source }) => source), ['microphone']);
});

test('a limit of bandwidth is kept by one encoding, and the codec is preferred', async () => {
  const s = scene();
  Object.assign(s.connection, { bandwidth: { audio: 50, video: 300, screen: false }, codecs: { video: 'VP9' } });
  await s.opened();
  const picture = s.pc.transceivers.find((t) => t.sender.track?.kind === 'video');
  assert.deepEqual(picture.sender.parameters.encodings.map((e) => e.maxBitrate), [300_000]);
  assert.equal(picture.codecs[0], 'video/VP9');
});

test('without handlers elements are put into the container and taken out, and a muted picture of another is hidden', async () => {
  const s = scene();
  for (const name of ['onstream', 'onstreamended', 'onmute', 'onunmute']) delete s.connection[name];
  const container = {
    children: [],
    firstChild: null,
    insertBefore(element) {
      element.parentNode = container;
      container.children.unshift(element);
    },
    removeChild: (element) => (container.children = container.children.filter((other) => other !== element)),
  };
  s.connection.videosContainer = container;
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, 3);
  const [theirs, ours] = container.children;
  assert.deepEqual([theirs.id, ours.muted], ['their-stream', true]);
  const say = (muted) => s.server.event('publication.updated', { participant: 'bob', publication: { ...pair()[0], muted } });
  say(true);
  assert.equal(theirs.style.visibility, 'hidden');
  say(false);
  assert.equal(theirs.style.visibility, '');
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  assert.deepEqual(container.children, [ours]);
});

test('streamEvents are selected by where they come from and what they are', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, 3);
  const { streamEvents } = s.connection;
  assert.equal(streamEvents.selectFirst().userid, 'me');
  assert.equal(streamEvents.selectFirst('remote').userid, 'bob');
  assert.equal(streamEvents.selectAll({ userid: 'bob', video: true }).length, 1);
  assert.deepEqual([streamEvents.selectAll('screen'), Object.keys(streamEvents).length], [[], 2]);
});

test('who speaks is told once when they begin and once when they end', async () => {
  const s = scene();
  s.server.participants = [person('bob', pair())];
  await s.opened();
  seat(s, 4, 3);
  s.server.event('speakers', { speakers: [{ participant: 'bob', level: 50 }] });
  s.server.event('speakers', { speakers: [{ participant: 'bob', level: 60 }] });
  s.server.event('speakers', { speakers: [] });
  assert.deepEqual(s.of('onspeaking').map(([e]) => [e.userid, e.streamid]), [['bob', 'their-stream']]);
  assert.equal(s.of('onsilence').length, 1);
});
