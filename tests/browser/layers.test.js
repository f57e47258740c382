import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { HD, scene } from './support/scene.js';

scene('simulcast layers switch as they are wished for, without an offer', {}, async ({ caller }) => {
  const [ann, bob] = [await caller('Ann'), await caller('Bob')];
  await ann.join({ room: 'r', camera: HD });
  await bob.join({ room: 'r' });
  const height = (want) => until(`a picture ${want} high`, () => bob.ask('stats', 'Ann', 'camera'), (s) => s?.frameHeight === want, 40_000);
  await bob.sees('Ann');
  const offers = await bob.offers();
  await bob.subscribe('Ann', 'camera', { quality: 'low' });
  await height(180);
  await bob.sees('Ann');
  await bob.subscribe('Ann', 'camera', { quality: 'high' });
  await height(720);
  await bob.sees('Ann');
  await bob.subscribe('Ann', 'camera', { maxWidth: 600, maxHeight: 340 });
  await height(360);
  await bob.sees('Ann');
  assert.equal(await bob.offers(), offers);
});
