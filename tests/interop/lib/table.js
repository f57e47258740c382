/** @param {{video: string | null, audio: string | null, data: string | null, excused?: Record<string, string>}} cell */
function mark(cell) {
  if (!cell) return 'not run';
  return ['audio', 'video', 'data'].map((what) => (cell.excused?.[what] ? '-' : cell[what] === null ? what[0].toUpperCase() : '!')).join('');
}

/**
 * The matrix for people: a row per publisher, a column per subscriber.
 * @param {string[]} engines
 * @param {Map<string, any>} cells by `publisher subscriber`
 */
export function table(engines, cells) {
  const width = Math.max(...engines.map((name) => name.length), 'not run'.length) + 2;
  const row = (first, rest) => [first.padEnd(14), ...rest.map((text) => text.padEnd(width))].join('').trimEnd();
  const lines = [row('from \\ to', engines), ...engines.map((from) => row(from, engines.map((to) => mark(cells.get(`${from} ${to}`)))))];
  const reasons = [];
  for (const [key, cell] of cells) {
    const [from, to] = key.split(' ');
    for (const what of ['audio', 'video', 'data']) {
      if (cell[what] !== null) reasons.push(`${from} to ${to}: ${what}: ${cell[what]}`);
    }
  }
  return [...lines, 'A sound, V picture, D data as sent; ! not as sent', ...reasons].join('\n');
}
