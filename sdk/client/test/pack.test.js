import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { pack, unpack } from '../core/pack.js';

const offer = readFileSync(new URL('../../../tests/fixtures/sdp/chromium_meeting_8_seats.sdp', import.meta.url), 'utf8');

test('an offer of eight seats is packed small and comes back as it was', async () => {
  const packed = await pack(offer);
  assert.ok(packed && packed.length * 8 < offer.length, `${packed?.length} of ${offer.length}`);
  assert.equal(await unpack(packed), offer);
});

test('a short one, or one on a platform that cannot, goes as it is', async (t) => {
  assert.equal(await pack('v=0\r\n'), null);
  const known = globalThis.CompressionStream;
  t.after(() => void (globalThis.CompressionStream = known));
  globalThis.CompressionStream = class {
    constructor() {
      throw new TypeError('Unsupported format');
    }
  };
  assert.equal(await pack(offer), null);
  // @ts-expect-error an old browser
  delete globalThis.CompressionStream;
  assert.equal(await pack(offer), null);
});
