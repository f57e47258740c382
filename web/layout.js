/** Tiles narrower than this are unpleasant: rather scroll. */
const TILE_MIN = 150;

/**
 * The number of columns with the largest tiles.
 * @param {number} count tiles
 * @param {number} width of the floor, in pixels
 * @param {number} height
 * @param {number} gap
 * @returns {{width: number, height: number, columns: number, scrolls: boolean}} of a tile
 */
export function bestGrid(count, width, height, gap) {
  // Upright floors (phones) take squarer tiles, so that two people fill them.
  const ratio = width < height ? (count <= 2 ? 4 / 3.6 : 1) : 16 / 9;
  let best = { width: 0, height: 0, columns: 1, scrolls: false };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const w = Math.min((width - gap * (columns - 1)) / columns, ((height - gap * (rows - 1)) / rows) * ratio);
    if (w > best.width) best = { width: Math.floor(w), height: Math.floor(w / ratio), columns, scrolls: false };
  }
  if (best.width >= TILE_MIN || count < 2) return best;
  const columns = Math.max(1, Math.floor((width + gap) / (TILE_MIN + gap)));
  const w = Math.floor((width - gap * (columns - 1)) / columns);
  return { width: w, height: Math.floor(w / ratio), columns, scrolls: true };
}
