import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { scene, SMALL } from './support/scene.js';

scene('a screen is seen beside the camera, and goes when it is stopped', { browsers: ['chromium', 'firefox'] }, async ({ caller }) => {
  const ann = await caller('Ann', { browser: 'chromium' });
  const bob = await caller('Bob', { browser: 'firefox' });
  await ann.join({ room: 'r', camera: SMALL });
  await bob.join({ room: 'r' });
  await bob.sees('Ann');
  const offers = await bob.offers();
  await ann.ask('shareCanvas');
  await bob.sees('Ann', 'screen');
  await bob.sees('Ann', 'camera');
  assert.equal(await bob.offers(), offers, 'a viewer does not negotiate');
  await ann.page.evaluate(() => window.call.room.devices.setScreen(false));
  await until('the screen is gone', () => bob.page.evaluate(() => window.call.publication('Ann', 'screen') === null), (gone) => gone);
  await bob.sees('Ann', 'camera');
});
