import assert from 'node:assert/strict';
import test from 'node:test';
import { bestGrid } from '../../web/layout.js';

const FLOORS = { desk: [1256, 682], tablet: [760, 900], phone: [344, 620], lying: [700, 300], tiny: [300, 200] };

test('tiles fit the floor, or it scrolls with tiles of a bearable size', () => {
  for (const [floor, [width, height]] of Object.entries(FLOORS)) {
    for (let count = 1; count <= 60; count++) {
      const gap = 8;
      const tile = bestGrid(count, width, height, gap);
      const rows = Math.ceil(count / tile.columns);
      const what = `${count} on ${floor}: ${JSON.stringify(tile)}`;
      assert.ok(tile.width > 0 && tile.height > 0, what);
      assert.ok(tile.columns * tile.width + (tile.columns - 1) * gap <= width, what);
      if (tile.scrolls) assert.ok(tile.width >= 100, what);
      else assert.ok(rows * tile.height + (rows - 1) * gap <= height, what);
      const ratio = tile.width / tile.height;
      assert.ok(ratio > 0.6 && ratio < 1.85, what);
    }
  }
});

test('two people share a desk side by side, a phone one above the other', () => {
  assert.equal(bestGrid(2, 1256, 682, 10).columns, 2);
  assert.equal(bestGrid(2, 344, 620, 8).columns, 1);
});
