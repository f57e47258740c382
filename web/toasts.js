import { byId, h } from './dom.js';
import { icon } from './icons.js';

/** What the codes mean to a person; the others bring a sentence of their own. */
const WORDS = {
  'connect-failed': 'The server cannot be reached. Check your connection and try again.',
  'reconnect-failed': 'The connection could not be restored.',
  'room-full': 'This room is full.',
  'room-closed': 'The room was closed.',
  'room-limit': 'This server has no place for another room right now.',
  overloaded: 'The server is busy. Try again in a moment.',
  'node-draining': 'The server is about to restart. Try again in a moment.',
  'duplicate-participant': 'You joined this room somewhere else with the same name tag.',
  removed: 'Somebody removed you from the room.',
  'too-slow': 'Your connection could not keep up.',
  'token-expired': 'Your access has expired. Ask for a new link.',
  'token-invalid': 'This access token is not valid here.',
  'token-missing': 'This server needs an access token.',
  'token-room': 'This access token is for another room.',
  'token-unknown-key': 'This access token was not made for this server.',
  'token-not-yet-valid': 'This access token is not valid yet. Try again later.',
  'token-permissions': 'This access token does not allow you to join.',
  'token-participant': 'This access token is for somebody else.',
  'negotiation-failed': 'Sound and picture could not be set up. Try again.',
  forbidden: 'You are not allowed to do that.',
  'rate-limited': 'Slow down a little.',
};

/** @param {any} error */
export const inWords = (error) => WORDS[error?.code] ?? error?.message ?? 'Something went wrong.';

/**
 * @param {string} text
 * @param {{bad?: boolean, ms?: number}} [options]
 */
export function toast(text, { bad = false, ms = bad ? 7000 : 3500 } = {}) {
  const list = byId('toasts');
  for (const old of list.children) if (old.dataset.text === text) old.remove();
  const item = h('div', { class: `toast ${bad ? 'bad' : ''}`, 'data-text': text }, h('span', { text }), h('button', { type: 'button', 'aria-label': 'Dismiss', onclick: () => item.remove() }, icon('close')));
  list.append(item);
  while (list.children.length > 3) list.firstChild.remove();
  setTimeout(() => item.remove(), ms);
}

/** @param {any} error */
export const complain = (error) => toast(inWords(error), { bad: true });
