/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `class`, `text`, `onclick`..., or an attribute
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'text') element.textContent = value;
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((c) => c !== null));
  return element;
}

/** Says something to those who listen to the page. @param {string} text */
export function announce(text) {
  byId('live').textContent = text;
}

/** The same colour for the same person everywhere. @param {string} id */
export function hueOf(id) {
  let hash = 2166136261;
  for (const c of id) hash = Math.imul(hash ^ c.codePointAt(0), 16777619);
  return ((hash ^ (hash >>> 13)) >>> 0) % 360;
}

/** @param {string} name */
export function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((w) => [...w][0]).join('').toUpperCase() || '?';
}

/** Connection quality as three bars. @param {number | null} score 1 to 5 */
export function bars(score) {
  const level = score === null ? 0 : score <= 2 ? 1 : score <= 3 ? 2 : 3;
  const words = ['unknown', 'bad', 'fair', 'good'][level];
  return h('span', { class: `bars q${level}`, role: 'img', 'aria-label': `Connection ${words}`, title: `Connection ${words}` }, h('i'), h('i'), h('i'));
}
