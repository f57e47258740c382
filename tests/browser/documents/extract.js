import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the documents lie: beside the project, or where DOCUMENTS_UNDER_TEST says. */
export const FOLDER = process.env.DOCUMENTS_UNDER_TEST || fileURLToPath(new URL('../../../../shared/seeds/', import.meta.url));
export const present = () => existsSync(FOLDER);

/**
 * A block of code in a document, as it stands there.
 * @typedef {object} Block
 * @property {string} document name of the file
 * @property {string} section the headings it stands below, without the document's title
 * @property {string | null} tab js, react or reactnative; null where there are no tabs
 * @property {number} ordinal of those with the same three, from 1
 * @property {string} source
 */

/** @returns {Block[]} every block of every document, in order */
export function blocks() {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.md')).sort();
  return names.flatMap((document) => {
    const text = readFileSync(join(FOLDER, document), 'utf8');
    const found = [...fenced(text), ...preformatted(text)];
    /** @type {Map<string, number>} */
    const counts = new Map();
    return found.map((block) => {
      const place = `${block.section} ${block.tab}`;
      counts.set(place, (counts.get(place) ?? 0) + 1);
      return { document, ...block, ordinal: /** @type {number} */ (counts.get(place)) };
    });
  });
}

/** Code between fences of Markdown. @param {string} text */
function* fenced(text) {
  /** @type {string[]} */
  let headings = [];
  /** @type {string | null} */
  let tab = null;
  /** @type {string[] | null} */
  let inside = null;
  for (const line of text.split('\n')) {
    const heading = /^(#+)\s+(.*)$/.exec(line);
    if (line.startsWith('```')) {
      if (inside) yield { section: headings.slice(1).filter(Boolean).join(' > '), tab, source: inside.join('\n') };
      inside = inside ? null : [];
    } else if (inside) inside.push(line);
    else if (heading) headings = [...headings.slice(0, heading[1].length - 1), heading[2].replaceAll('*', '')];
    else if (line.startsWith('<TabItem')) tab = /value="(\w+)"/.exec(line)?.[1] ?? null;
    else if (line.startsWith('</TabItem>')) tab = null;
    // A heading skips a level now and then.
    headings = Array.from(headings, (name) => name ?? '');
  }
}

const ENTITIES = { lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' };

/** Code between tags of HTML; what marks its syntax is taken off. @param {string} text */
function* preformatted(text) {
  let section = '';
  for (const [, heading, code] of text.matchAll(/<h2>(.*?)<\/h2>|<pre[^>]*>([\s\S]*?)<\/pre>/g)) {
    if (heading !== undefined) section = heading.replace(/<[^>]*>/g, '');
    else yield { section, tab: null, source: code.replace(/<[^>]*>/g, '').replace(/&(#?\w+);/g, (whole, name) => ENTITIES[name] ?? whole) };
  }
}
