/** The messages that the server's own tests hold: we must understand every one of theirs and send none they do not know. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { camera, person, scene, settle } from './support.js';

const folder = fileURLToPath(new URL('../../../tests/fixtures/protocol/', import.meta.url));
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
const skip = files.length === 0 && 'there are no fixtures in tests/fixtures/protocol yet';

/** Every message in a file, however deep it lies. */
function* messages(value) {
  if (value === null || typeof value !== 'object') return;
  if (typeof value.type === 'string') yield value;
  else for (const inner of Object.values(value)) yield* messages(inner);
}

const all = files.flatMap((name) => [...messages(JSON.parse(readFileSync(folder + name, 'utf8')))].map((message) => ({ name, message })));
const of = (...types) => all.filter(({ message }) => types.includes(message.type));

const EVENTS = [
  'participant.joined', 'participant.left', 'participant.updated', 'publication.added', 'publication.updated', 'publication.removed', 'publication.backup', 'publication.wanted',
  'seats', 'seats.wanted', 'speakers', 'quality', 'subscription', 'chat', 'topic.message', 'transport',
  'room.updated', 'media.requested', 'pin', 'recording', 'store.changed', 'entry.requested', 'entry.responded', 'link.opened', 'link.closed',
  'link.roster', 'link.chat', 'link.chat.sent', 'link.gap', 'link.state', 'link.requested', 'link.request.ended', 'switch',
];
const ANSWERS = ['joined', 'resumed', 'ok', 'error', 'answer', 'pong', 'bye', 'waiting', 'presence', 'rooms'];
const REQUESTS = [
  'join', 'resume', 'leave', 'ping', 'offer', 'publish', 'unpublish', 'mute', 'subscribe', 'unsubscribe', 'view', 'chat',
  'topic.publish', 'topic.subscribe', 'topic.unsubscribe', 'update', 'remove', 'ice.servers', 'stats',
  'media.request', 'pin', 'store.set', 'store.get', 'room.update', 'room.close', 'recording.start', 'recording.stop', 'entry.respond', 'presence', 'rooms',
  'link.open', 'link.close', 'link.respond', 'link.chat', 'link.end', 'switch',
];

test('every fixture is of a type we know', { skip }, () => {
  for (const { name, message } of all) assert.ok([...EVENTS, ...ANSWERS, ...REQUESTS].includes(message.type), `${name}: ${message.type}`);
});

test('every joined is read: who is here, and what they publish', { skip }, async () => {
  for (const { name, message } of of('joined')) {
    const s = scene();
    s.server.receive = (socket, m) => socket.deliver(m.type === 'join' ? { ...message, re: m.id } : { seq: (message.seq ?? 0) + 1, re: m.id, type: 'answer', sdp: '', seats: [], publications: [] });
    const join = s.room.join();
    await settle();
    await join;
    assert.equal(s.room.name, message.room, name);
    assert.equal(s.room.localParticipant.id, message.participant.id, name);
    assert.deepEqual([...s.room.participants.values()].map((p) => p.id), message.participants.map((p) => p.id), name);
    assert.deepEqual([s.room.created, s.room.owner, s.room.settings, [...s.room.permissions]], [message.created, message.owner, message.settings, message.permissions], name);
    assert.deepEqual([...s.room.links.values()].map((l) => ({ link: l.id, payload: l.payload, rights: [...l.rights], participants: [...l.participants.values()] })), message.links, name);
    assert.deepEqual([...s.room.pins].map(([participant, pin]) => ({ participant, ...pin })), message.pins, name);
    for (const wire of message.participants) {
      assert.equal(s.room.participants.get(wire.id).mode, wire.mode, name);
      const publications = [...s.room.participants.get(wire.id).publications.values()];
      assert.deepEqual(publications.map((p) => [p.id, p.source, p.kind, p.muted, p.codec]), wire.publications.map((p) => [p.id, p.source, p.kind, p.muted, p.codec]), name);
    }
  }
});

test('every event is taken in without harm', { skip }, async (t) => {
  const complaints = t.mock.method(console, 'error', () => {});
  const s = await scene().joined();
  for (const { message } of of(...EVENTS)) {
    if (message.re !== undefined || message.id !== undefined) continue; // a request of the same name
    const { seq: _, ...event } = message;
    s.server.send(s.server.session, event);
    await settle();
    assert.notEqual(s.room.state, 'closed', JSON.stringify(event));
  }
  assert.equal(complaints.mock.callCount(), 0);
});

test('every bye ends or moves us', { skip }, async () => {
  for (const { message } of of('bye')) {
    const s = await scene().joined();
    const { seq: _, ...event } = message;
    s.server.send(s.server.session, event);
    await settle(2);
    assert.equal(s.room.state, message.reconnect && !message.afterMs ? 'reconnecting' : message.reconnect ? 'reconnecting' : 'closed');
  }
});

/** How each request is made by the public API, from the fields of a fixture. */
const MAKE = {
  chat: (room, { text, to }) => room.chat(text, { to }),
  'topic.publish': (room, { topic, message, to, persist }) => room.publishTopic(topic, message, { to, persist }),
  'topic.subscribe': (room, { topic }) => room.subscribeTopic(topic),
  'topic.unsubscribe': (room, { topic }) => room.unsubscribeTopic(topic),
  subscribe: (room, { type: _, id: __, publication, ...limits }) => room.participants.get('bob').publications.get(publication).subscribe(limits),
  unsubscribe: (room, { publication }) => room.participants.get('bob').publications.get(publication).unsubscribe(),
  update: (room, { displayName, metadata, mode }) => (mode ? room.setMode(mode) : room.update({ displayName, metadata })),
  remove: (room, { participant }) => room.remove(participant),
  leave: (room) => room.leave(),
  'media.request': (room, { participant, source, on }) => room.requestMedia(participant, source, on),
  pin: (room, { participant, camera, screen }) => room.pin(participant, { camera, screen }),
  'store.set': (room, { key, value }) => room.setStore(key, value),
  'store.get': (room, { key }) => room.getStore(key),
  'room.update': (room, { settings }) => room.updateSettings(settings),
  'room.close': (room) => room.closeRoom(),
  'entry.respond': (room, { participant, allow }) => room.respondEntry(participant, allow),
  'link.open': (room, { room: other, payload, waitMs }) => room.openLink(other, { payload, waitMs }),
  'link.close': (room, { link }) => room.links.get(link).close(),
  'link.chat': (room, { link, text, echo }) => room.links.get(link).chat(text, { echo }),
  'link.end': (room, { link }) => room.links.get(link).end(),
  'link.respond': async (room, { accept }, asked) => asked[accept ? 'accept' : 'reject'](),
  switch: (room, { participant, link, ...where }) => (link ? room.links.get(link).switchParticipant(participant, where) : room.switchParticipant(participant, where)),
};

test('what we send is what the server reads', { skip }, async () => {
  for (const { name, message } of of(...Object.keys(MAKE))) {
    if (message.seq !== undefined) continue; // an event of the same name
    if (message.type === 'update' && message.mode && message.displayName) continue; // two calls in the SDK
    if (message.type === 'store.get' && message.key === undefined) continue; // not offered by the SDK
    const s = scene();
    s.server.participants = [person('bob', [camera(message.publication ?? 1)])];
    if (message.link) s.server.links = [{ link: message.link, payload: null, rights: ['roster', 'chat', 'switch', 'end'], participants: [] }];
    await s.joined();
    let asked;
    s.room.on('link-requested', (request) => (asked = request));
    if (message.request) s.server.event('link.requested', { request: message.request, room: 'r2', participant: 'p', displayName: 'P', payload: null, expiresMs: 1 });
    if (message.type === 'link.open') s.server.event('link.opened', { link: message.room, payload: null, rights: [], participants: [] });
    await MAKE[message.type](s.room, message, asked);
    const { id: _, ...sent } = JSON.parse(JSON.stringify(s.server.requests(message.type)[0]));
    const { id: __, ...golden } = message;
    assert.deepEqual(sent, golden, name);
  }
});
