/** The bytes of encrypted frames, and who can read them. The cipher is real. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FrameDecryptor, FrameEncryptor, KeyRing, tagOf } from '../core/e2ee-cipher.js';
import { mapRed, OVERHEAD_BYTES, readTrailer, SHAPES, TRAILER_BYTES } from '../core/e2ee-format.js';

const KEY = new Uint8Array(32).fill(7).buffer;
const bytes = (length, seed = 1) => Uint8Array.from({ length }, (_, i) => (i * 167 + seed * 59 + (i >> 3)) & 0xff);

async function ring({ room = 'r1', key = KEY, participant = null, index = 0, here = ['ann', 'bob'] } = {}) {
  const made = new KeyRing();
  made.enter(room);
  if (key) made.set({ participant, index, key });
  for (const who of here) await made.welcome(who);
  return made;
}

async function pair(sending = {}, receiving = {}) {
  const [encryptor, decryptor] = [new FrameEncryptor(await ring(sending)), new FrameDecryptor(await ring(receiving))];
  return {
    seal: (codec, frame, index = sending.index ?? 0, self = 'ann') => encryptor.encrypt(codec, frame, self, index),
    open: (codec, frame) => decryptor.decrypt(codec, frame),
  };
}

const VP8_KEY = Uint8Array.of(0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01, ...bytes(500));
const VP8_DELTA = Uint8Array.of(0x31, 0x02, 0x00, ...bytes(300));
const OBU = (type, content) => [(type << 3) | 2, content.length, ...content];
const AV1_KEY = Uint8Array.from([...OBU(2, []), ...OBU(1, [0, 1, 2, 3]), ...OBU(6, [...bytes(100)])]);
const AV1_DELTA = Uint8Array.from([...OBU(2, []), ...OBU(3, [9, 9]), ...OBU(4, [...bytes(90)])]);
const NAL = (code, ...content) => [...code, ...content];
const [THREE, FOUR] = [[0, 0, 1], [0, 0, 0, 1]];
const H264_KEY = Uint8Array.from([...NAL(FOUR, 0x67, 0x42, 0, 0x1f, 0xe9), ...NAL(THREE, 0x68, 0xce), ...NAL(THREE, 0x65, 0x88, 0x84, 0, 0, 3, 0, ...bytes(400))]);
const H264_SLICES = Uint8Array.from([...NAL(FOUR, 0x61, 0x9a, 1, 2, ...bytes(50)), ...NAL(THREE, 0x61, 0x9a, 3, ...bytes(60))]);

for (const [codec, frame, clear] of [
  ['opus', bytes(80), 1], ['vp8', VP8_KEY, 10], ['vp8', VP8_DELTA, 3], ['vp9', bytes(200), 0],
]) {
  test(`${codec}: ${clear} bytes stay clear, the rest is ciphertext, and comes back as it was`, async () => {
    const { seal, open } = await pair();
    const sealed = await seal(codec, frame);
    assert.equal(sealed.outcome, 'ok');
    assert.deepEqual(sealed.data.subarray(0, clear), frame.subarray(0, clear));
    assert.equal(sealed.data.length, frame.length + OVERHEAD_BYTES);
    assert.equal(includes(sealed.data, frame.subarray(clear, clear + 16)), false);
    assert.deepEqual(await open(codec, sealed.data), { data: frame, outcome: 'ok', participant: 'ann' });
  });
}

test('the trailer, byte by byte, as docs/E2EE.md has it', async () => {
  const { seal } = await pair({ index: 5 });
  const [first, second] = [(await seal('vp8', VP8_KEY)).data, (await seal('vp8', VP8_KEY)).data];
  const view = new DataView(first.buffer, first.byteOffset + first.length - TRAILER_BYTES);
  assert.deepEqual([view.getUint32(8), view.getUint32(12), view.getUint8(16), view.getUint16(17), view.getUint8(19)], [0, await tagOf('ann'), 5, 10, 0xe1]);
  const [one, other] = [readTrailer(first).iv, readTrailer(second).iv];
  assert.deepEqual(one.subarray(0, 8), other.subarray(0, 8), 'one salt');
  assert.equal(other[11], 1, 'the counter counts');
});

test('av1: the sequence header stays clear, and what else there is travels in one unit', async () => {
  const { seal, open } = await pair();
  const sealed = (await seal('av1', AV1_KEY)).data;
  assert.deepEqual([...sealed.subarray(0, 7)], [...OBU(1, [0, 1, 2, 3]), (6 << 3) | 2]);
  assert.equal(includes(sealed, bytes(16)), false);
  // Temporal delimiters do not travel over RTP, encrypted or not.
  assert.deepEqual((await open('av1', sealed)).data, AV1_KEY.subarray(2));
  assert.deepEqual((await open('av1', (await seal('av1', AV1_DELTA)).data)).data, AV1_DELTA.subarray(2));
  assert.deepEqual((await open('av1', Uint8Array.from([...OBU(2, []), ...sealed]))).data, AV1_KEY.subarray(2), 'with a delimiter put in front');
  assert.equal((await open('av1', AV1_KEY)).outcome, 'not-encrypted');
  assert.equal((await seal('av1', Uint8Array.of((6 << 3) | 2, 0x7f, 1))).outcome, 'unsupported', 'a unit that does not fit');
});

test('h264: parameter sets and slice heads stay clear, and nothing in the ciphertext looks like a start code', async () => {
  const { seal, open } = await pair();
  for (let i = 0; i < 200; i++) {
    for (const frame of [H264_KEY, H264_SLICES]) {
      const sealed = (await seal('h264', frame)).data;
      const normal = normalised(frame);
      const clear = frame === H264_KEY ? 23 : 8;
      assert.deepEqual(sealed.subarray(0, clear), normal.subarray(0, clear));
      assert.equal(starts(sealed.subarray(clear)), 0);
      assert.deepEqual((await open('h264', sealed)).data, Uint8Array.from([...normal.subarray(0, clear), ...tail(frame)]));
    }
  }
  assert.equal((await seal('h264', Uint8Array.from(NAL(FOUR, 0x67, 1, 2, 3)))).outcome, 'unsupported', 'no slice');
  assert.equal((await open('h264', H264_KEY)).outcome, 'not-encrypted');
});

test('h264: whatever the cipher makes of it, escaped and taken back it is the same', () => {
  const { join, open } = SHAPES.h264;
  const clear = Uint8Array.from(NAL(FOUR, 0x65, 0x88, 0, 0));
  for (const sealed of [[0, 0, 1, 5], [1, 9], [0, 0, 0, 0, 0, 9], [3, 0, 0, 3, 0xe1], [0, 0, 2, 0, 0, 3, 0xe1], [2, 0, 0, 4, 0xe1]]) {
    const sent = join(clear, Uint8Array.from(sealed));
    assert.equal(starts(sent), 1, String(sealed));
    assert.deepEqual([...open(sent)], [...clear, ...sealed]);
  }
});

test('redundant audio: each block is encrypted by itself, so a server may take redundancy off or put some on', async () => {
  const { seal, open } = await pair();
  const [old, now] = [bytes(60, 3), bytes(70, 4)];
  const red = Uint8Array.of(0x80 | 111, 3840 >> 6, ((3840 & 0x3f) << 2) | (old.length >> 8), old.length, 111, ...old, ...now);
  const sealed = (await seal('red', red)).data;
  assert.equal(sealed.length, red.length + 2 * OVERHEAD_BYTES);
  assert.deepEqual((await open('red', sealed)).data, red);
  const primary = sealed.subarray(5 + old.length + OVERHEAD_BYTES);
  assert.deepEqual((await open('opus', primary)).data, now, 'as a server forwards it to who cannot read redundancy');
  const made = Uint8Array.of(0x80 | 111, 0, 0, primary.length, 111, ...primary, ...primary);
  assert.deepEqual((await open('red', made)).data, Uint8Array.of(0x80 | 111, 0, 0, now.length, 111, ...now, ...now));
  assert.equal(await mapRed(Uint8Array.of(0x80, 0, 0, 200, 111, 1), async (b) => b), null, 'a block that does not fit');
  assert.equal(await mapRed(Uint8Array.of(), async (b) => b), null);
  const long = Uint8Array.of(0x80 | 111, 0, 3, 0xf0, 111, ...bytes(1008), ...now);
  assert.deepEqual((await open('red', (await seal('red', long)).data)).data, Uint8Array.of(111, ...now), 'redundancy that would not fit is left out');
});

test('without the key, with another one, in another room or changed on its way, nothing comes out', async () => {
  const sealed = (await (await pair()).seal('vp8', VP8_KEY)).data;
  const outcome = async (options, frame = sealed) => {
    const { data, outcome: why } = await (await pair({}, options)).open('vp8', frame);
    assert.equal(data, null);
    return why;
  };
  assert.equal(await outcome({ key: null }), 'missing-key');
  assert.equal(await outcome({ index: 1 }), 'missing-key');
  assert.equal(await outcome({ here: ['bob'] }), 'missing-key', 'from somebody we do not know of');
  assert.equal(await outcome({ key: new Uint8Array(32).fill(8).buffer }), 'wrong-key');
  assert.equal(await outcome({ room: 'r2' }), 'wrong-key');
  for (const at of [0, 5, 12, 300, sealed.length - 36, sealed.length - 8, sealed.length - 3]) {
    const changed = sealed.slice();
    changed[at] ^= 1;
    assert.ok(['wrong-key', 'missing-key'].includes(await outcome({}, changed)), `byte ${at}`);
  }
  assert.equal(await outcome({}, VP8_KEY), 'not-encrypted');
  assert.equal(await outcome({}, sealed.subarray(0, 20)), 'not-encrypted');
});

test('every sender has a key of its own, made of everybody’s or of theirs', async () => {
  const shared = await pair();
  const byAnn = (await shared.seal('opus', bytes(50))).data;
  assert.equal((await shared.open('opus', byAnn)).participant, 'ann');
  const theirs = await pair({ participant: 'ann' }, { participant: 'ann' });
  assert.equal((await theirs.open('opus', (await theirs.seal('opus', bytes(50))).data)).outcome, 'ok');
  assert.equal((await theirs.open('opus', byAnn)).outcome, 'ok', 'the same bytes given for one or for all are the same key');
  assert.equal((await theirs.seal('opus', bytes(50), 0, 'bob')).outcome, 'missing-key', 'Bob has none');
  const claim = byAnn.slice();
  new DataView(claim.buffer).setUint32(claim.length - 8, await tagOf('bob'));
  assert.equal((await shared.open('opus', claim)).outcome, 'wrong-key', 'what Ann said is not to be passed off as Bob’s');
});

test('a pass phrase is a key', async () => {
  const { seal, open } = await pair({ key: 'correct horse' }, { key: 'correct horse' });
  assert.equal((await open('opus', (await seal('opus', bytes(50))).data)).outcome, 'ok');
});

test('keys change by their index: the old one plays on until it is taken away', async () => {
  const keys = await ring();
  const [encryptor, decryptor] = [new FrameEncryptor(keys), new FrameDecryptor(keys)];
  const before = (await encryptor.encrypt('opus', bytes(50), 'ann', 0)).data;
  keys.set({ participant: null, index: 1, key: new Uint8Array(32).fill(9).buffer });
  const after = (await encryptor.encrypt('opus', bytes(50), 'ann', 1)).data;
  assert.deepEqual([(await decryptor.decrypt('opus', before)).outcome, (await decryptor.decrypt('opus', after)).outcome], ['ok', 'ok']);
  keys.remove(null, 0);
  assert.deepEqual([(await decryptor.decrypt('opus', before)).outcome, (await decryptor.decrypt('opus', after)).outcome], ['missing-key', 'ok']);
});

test('what cannot be encrypted is not sent', async () => {
  const { seal } = await pair();
  for (const codec of ['h265', 'pcmu', '']) assert.deepEqual(await seal(codec, bytes(50)), { data: null, outcome: 'unsupported', participant: 'ann' });
});

const includes = (whole, part) => Buffer.from(whole).includes(Buffer.from(part));
const starts = (data) => [...data].filter((_, i) => data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1).length;
/** As receivers put frames together: four bytes in front of every unit. */
function normalised(frame) {
  const text = Buffer.from(frame).toString('latin1').split(/\x00?\x00\x00\x01/).slice(1);
  return Uint8Array.from(Buffer.from(text.map((unit) => `\x00\x00\x00\x01${unit}`).join(''), 'latin1'));
}
/** What of a test frame is secret, with the start codes it had. */
const tail = (frame) => (frame === H264_KEY ? frame.subarray(21) : frame.subarray(8));
