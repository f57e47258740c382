import assert from 'node:assert/strict';
import test from 'node:test';
import { BYTES, HEARD, heard, HELLO, Parcels, PARCEL_BYTES_MAX, PART, parcel, part, partsOf, TEXT, WELCOME } from '../frames.js';
import { person, scene, settle } from './support.js';

const text = (value) => new Uint8Array([TEXT, ...new TextEncoder().encode(JSON.stringify(value))]);
const read = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

async function talking() {
  const s = scene({ session: { audio: true, data: true } });
  s.server.participants = [person('bob')];
  await s.opened();
  await s.data.open();
  return s;
}

test('a data channel is opened for a session with data, and for no other', async () => {
  const s = await talking();
  assert.deepEqual([s.data.channel.label, s.data.channel.options.protocol], ['rtcmulticonnection', 'enfilade.data.v1']);
  const without = scene();
  await without.opened();
  assert.equal(without.pc.channels.length, 0);
  without.connection.send('x');
  await settle();
  assert.deepEqual(without.of('onerror').map(([e]) => e.code), ['CHANNEL_CLOSED']);
});

test('onopen comes when both ends can hear each other, once, and onclose when they are gone', async () => {
  const s = await talking();
  assert.deepEqual(s.data.sent.map(([to, kind]) => [to, kind]), [['', HELLO]]);
  assert.equal(s.of('onopen').length, 0);
  await s.data.deliver('bob', [WELCOME]);
  await s.data.deliver('bob', [HELLO]);
  assert.deepEqual(s.of('onopen').map(([e]) => e.userid), ['bob']);
  assert.deepEqual(s.data.sent.at(-1).slice(0, 2), ['bob', WELCOME]);
  s.server.event('participant.left', { participant: 'bob', reason: 'left' });
  assert.deepEqual(s.of('onclose').map(([e]) => e.userid), ['bob']);
});

test('send reaches everybody, or one, with what was given', async () => {
  const s = await talking();
  s.connection.send({ a: [1, 'ü'] });
  s.connection.send('to Bob', 'bob');
  s.connection.send(new Uint8Array([1, 2, 3]).buffer);
  await settle(100);
  const [, all, one, bytes] = s.data.sent;
  assert.deepEqual([all[0], all[1], read(all[2])], ['', TEXT, { a: [1, 'ü'] }]);
  assert.deepEqual([one[0], one[1], read(one[2])], ['bob', TEXT, 'to Bob']);
  assert.deepEqual([bytes[1], [...bytes[2]]], [BYTES, [1, 2, 3]]);
});

test('onmessage gives data as it was sent; nonsense and strangers are passed over', async () => {
  const s = await talking();
  await s.data.deliver('bob', text({ x: 1 }));
  await s.data.deliver('bob', [BYTES, 7, 8]);
  await s.data.deliver('bob', [TEXT, 0x7b]);
  await s.data.deliver('bob', [99, 1]);
  await s.data.deliver('bob', []);
  await s.data.deliver('stranger', text('hello'));
  const [[first], [second], ...rest] = s.of('onmessage');
  assert.deepEqual([first.userid, first.data, [...new Uint8Array(second.data)], rest], ['bob', { x: 1 }, [7, 8], []]);
});

test('what is sent before the channel is open goes out when it is, in order', async () => {
  const s = scene({ session: { data: true } });
  s.server.participants = [person('bob')];
  await s.opened();
  s.connection.send(1);
  s.connection.send(2);
  await settle(50);
  assert.equal(s.data.sent.length, 0);
  await s.data.open();
  await settle(50);
  assert.deepEqual(s.data.sent.filter(([, kind]) => kind === TEXT).map(([, , bytes]) => read(bytes)), [1, 2]);
  assert.equal(s.asked.length, 0); // data only: no camera
});

test('long messages travel in parts and arrive whole', async () => {
  const s = await talking();
  const long = 'ä'.repeat(100_000);
  s.connection.send(long);
  await settle(300);
  const parts = s.data.sent.filter(([, kind]) => kind === PART);
  assert.equal(parts.length, 4);
  assert.ok(parts.every(([, , bytes]) => bytes.length < 65_000));
  for (const [, kind, bytes] of parts) await s.data.deliver('bob', new Uint8Array([kind, ...bytes]));
  assert.equal(s.of('onmessage').length, 1);
  assert.equal(s.of('onmessage')[0][0].data, long);
});

test('a file tells its beginning, its progress and its end at both ends', async () => {
  const s = await talking();
  s.connection.chunkSize = 1000;
  const file = new File([new Uint8Array(2500).fill(7)], 'notes.txt', { type: 'text/plain' });
  s.connection.send(file, 'bob');
  await settle(300);
  assert.deepEqual(s.of('onFileStart').map(([f]) => [f.name, f.size, f.maxChunks, f.userid, f.remoteUserId]), [['notes.txt', 2500, 3, 'me', 'bob']]);
  assert.deepEqual(s.of('onFileProgress').map(([f]) => f.currentPosition), [1, 2, 3]);
  assert.equal(s.of('onFileEnd')[0][0].url, 'blob:x');
  for (const [to, kind, bytes] of s.data.sent.filter(([, k]) => k === PART)) {
    assert.equal(to, 'bob');
    await s.data.deliver('bob', new Uint8Array([kind, ...bytes]));
  }
  const [, [arrived]] = s.of('onFileEnd');
  assert.deepEqual([arrived.name, arrived.userid, arrived.type, arrived.file.size], ['notes.txt', 'bob', 'text/plain', 2500]);
  assert.deepEqual([...new Uint8Array(await arrived.file.arrayBuffer())].every((byte) => byte === 7), true);
  assert.equal(s.of('onmessage').length, 0);
});

test('a sender does not run away from its readers, nor wait for those who are gone or mute', async () => {
  const s = await talking();
  s.server.event('participant.joined', { participant: person('eve') });
  for (const id of ['bob', 'eve']) await s.data.deliver(id, [WELCOME]);
  s.connection.chunkSize = 64_000;
  s.connection.shareFile(new File([new Uint8Array(1_000_000)], 'big'));
  const sent = async () => (await settle(400), s.data.sent.filter(([, kind]) => kind === PART).length);
  assert.equal(await sent(), 4); // 256 KiB on their way
  await s.data.deliver('bob', heard(1, 3));
  assert.equal(await sent(), 4); // Eve has not heard yet
  await s.data.deliver('eve', heard(1, 0));
  assert.equal(await sent(), 5);
  s.server.event('participant.left', { participant: 'eve', reason: 'left' });
  assert.equal(await sent(), 8);
  await s.platform.advance(16_000);
  assert.equal(await sent(), 16);
  assert.equal(s.of('onFileEnd').length, 1);
});

test('messages arrive in the order they were sent, a long one too; files do not hold them up', async () => {
  const s = await talking();
  await s.data.deliver('bob', [WELCOME]);
  s.connection.shareFile(new File([new Uint8Array(1_000_000)], 'big'));
  await settle(400); // it waits for Bob
  s.connection.send('x'.repeat(100_000));
  s.connection.send('short');
  await settle(400);
  const kinds = s.data.sent.map(([, kind]) => kind);
  assert.equal(kinds.at(-1), TEXT);
  assert.equal(kinds.filter((kind) => kind === PART).length, 6 + 2);
});

test('whatever part of a parcel comes is answered, so that its sender goes on', async () => {
  const s = await talking();
  const whole = parcel({ kind: 'bytes' }, new Uint8Array(100));
  await s.data.deliver('bob', part(whole, 7, 1, 40)); // the beginning was missed
  const [to, kind, bytes] = s.data.sent.at(-1);
  assert.deepEqual([to, kind, [...bytes]], ['bob', HEARD, [0, 0, 0, 7, 0, 0, 0, 1]]);
});

test('a channel that the server closes is opened again', async () => {
  const s = await talking();
  const first = s.data.channel;
  first.readyState = 'closed';
  first.onclose();
  await settle(50);
  assert.notEqual(s.data.channel, first);
  await s.data.open();
  assert.deepEqual(s.data.sent[0].slice(0, 2), ['', HELLO]);
});

test('somebody who is not here cannot be written to', async () => {
  const s = await talking();
  s.connection.send('x', 'nobody');
  await settle();
  assert.deepEqual(s.of('onerror').map(([e]) => [e.code, e.message]), [['NO_SUCH_PARTICIPANT', 'User ID does not exist']]);
});

test('what is too large is refused before it is read', async () => {
  const s = await talking();
  s.connection.shareFile({ size: PARCEL_BYTES_MAX + 1, arrayBuffer: () => assert.fail('it was read') });
  await settle();
  assert.deepEqual(s.of('onerror').map(([e]) => e.code), ['MESSAGE_TOO_LARGE']);
});

test('parcels of which the beginning was missed, or whose parts lie, come to nothing', () => {
  const whole = parcel({ kind: 'bytes' }, new Uint8Array(100));
  const count = partsOf(whole.length, 40);
  const parts = Array.from({ length: count }, (_, i) => part(whole, 1, i, 40));
  const late = new Parcels();
  for (const bytes of parts.slice(1)) assert.equal(late.add(bytes), null);
  const twice = new Parcels();
  assert.equal(twice.add(parts[0]).content, null);
  assert.equal(twice.add(parts[0]).content, null); // begins again
  assert.equal(twice.add(parts[2]), null);
  assert.equal(twice.add(parts[1]).content, null);
  assert.equal(twice.add(parts[2]).content.length, 100);
  for (const nonsense of [new Uint8Array([PART]), part(new Uint8Array(0), 1, 0, 1), part(new Uint8Array([255, 255, 1]), 1, 0, 9), part(new Uint8Array([0, 2, 123, 125]), 1, 0, 9)]) {
    assert.equal(new Parcels().add(nonsense), null);
  }
});

test('a sender who begins parcels without end has eight of them kept', () => {
  const whole = parcel({ kind: 'bytes' }, new Uint8Array(30));
  const parcels = new Parcels();
  for (let number = 1; number <= 9; number++) parcels.add(part(whole, number, 0, 25));
  assert.equal(parcels.add(part(whole, 1, 1, 25)), null);
  assert.equal(parcels.add(part(whole, 2, 1, 25)).content.length, 30);
});
