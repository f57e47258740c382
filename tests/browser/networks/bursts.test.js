import assert from 'node:assert/strict';
import test from 'node:test';
import { lacking } from '../support/scene.js';
import { soak } from './bursts.js';
import { Figures } from './figures.js';

for (const browser of /** @type {const} */ (['chromium', 'firefox'])) {
  const why = lacking(['chromium', browser]);
  test(`${browser} does not tell padded bursts from single packets`, { timeout: 180_000, skip: why && !process.env.CI ? why : false }, async () => {
    const figures = new Figures('gso-soak/');
    await soak(figures, browser, 10_000);
    assert.equal(figures.missed, 0);
  });
}
