/** Tiles narrower than this are unpleasant: rather scroll. */
const TILE_MIN = 110;

/**
 * The number of columns that gives the largest tiles.
 * @param {number} count tiles
 * @param {number} width of the floor, in pixels
 * @param {number} height
 * @param {number} gap
 * @returns {{width: number, height: number, columns: number, scrolls: boolean}} of a tile
 */
export function bestGrid(count, width, height, gap) {
  // Pictures are cropped rather than the floor left empty, but never to slivers: upright floors (phones) take upright tiles.
  const [slim, wide] = width < height ? [5 / 8, 4 / 3] : [4 / 3, 16 / 9];
  let best = { width: 0, height: 0, columns: 1, scrolls: false };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cell = { width: (width - gap * (columns - 1)) / columns, height: (height - gap * (rows - 1)) / rows };
    const w = Math.min(cell.width, cell.height * wide);
    const h = Math.min(cell.height, w / slim);
    const bearable = count < 2 || (w >= TILE_MIN && h >= TILE_MIN * 0.7);
    if (bearable && w * h > best.width * best.height) best = { width: Math.floor(w), height: Math.floor(h), columns, scrolls: false };
  }
  if (best.width > 0) return best;
  const columns = Math.max(1, Math.floor((width + gap) / (TILE_MIN + gap)));
  const w = Math.floor((width - gap * (columns - 1)) / columns);
  return { width: w, height: Math.floor(w / (width < height ? 1 : wide)), columns, scrolls: true };
}
