/** How a cell reads: a letter for what arrived as sent, `!` for what did not. */
function mark(cell, media) {
  return cell ? media.map((what) => (cell[what] === null ? { audio: 'A', video: 'V', data: 'D' }[what] : '!')).join('') : '';
}

/**
 * A board for people: a row per publisher, a column per subscriber.
 * @param {import('./boards.js').Board} board
 * @param {Map<string, any>} cells by `from to`
 */
export function table({ title, engines, media }, cells) {
  const width = Math.max(...engines.map((name) => name.length)) + 2;
  const row = (first, rest) => [first.padEnd(14), ...rest.map((text) => text.padEnd(width))].join('').trimEnd();
  const lines = engines.map((from) => row(from, engines.map((to) => mark(cells.get(`${from} ${to}`), media))));
  const reasons = [...cells].flatMap(([key, cell]) =>
    media.filter((what) => cell[what] !== null).map((what) => `! ${key.replace(' ', ' to ')}: ${what}: ${cell[what]}`),
  );
  return [title, row('from \\ to', engines), ...lines, ...reasons].join('\n');
}
