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
  'token-revoked': 'Your access was taken back.',
  'token-used': 'This access token was good for one visit. Ask for another one.',
  'token-not-yet-valid': 'This access token is not valid yet. Try again later.',
  'token-permissions': 'This access token does not allow you to join.',
  'token-participant': 'This access token is for somebody else.',
  'negotiation-failed': 'Sound and picture could not be set up. Try again.',
  forbidden: 'You are not allowed to do that.',
  'rate-limited': 'Slow down a little.',
  'entry-denied': 'You were not let in.',
  'entry-timeout': 'Nobody answered the door. Try again in a moment.',
  'lobby-full': 'Too many people are waiting to be let in. Try again later.',
  'room-disabled': 'This room is switched off.',
  'password-required': 'This room has a password.',
  'password-wrong': 'That is not the password of this room.',
  'room-not-found': 'Nobody is in that room.',
  'room-not-live': 'Nobody is in that room.',
  'same-room': 'That is the room you are in.',
  'link-denied': 'That room does not want a door to this one.',
  'link-timeout': 'Nobody in that room answered. Try again later.',
  'link-limit': 'One of the two rooms has as many doors as a room can have.',
  'link-right': 'That room does not allow this.',
  'link-closed': 'The door closed before that got through.',
  'link-overflow': 'That room cannot keep up. Try again in a moment.',
  'no-such-link': 'That door is closed.',
  'no-such-request': 'Somebody else has answered already.',
  'no-such-participant': 'They are not there any more.',
};

/** @param {any} error */
export const inWords = (error) => WORDS[error?.code] ?? error?.message ?? 'Something went wrong.';

/**
 * @param {string} text
 * @param {{bad?: boolean, ms?: number}} [options] ms: how long it stays
 */
export function toast(text, { bad = false, ms = bad ? 7000 : 3500 } = {}) {
  const list = byId('toasts');
  for (const old of list.children) if (old.dataset.text === text) old.remove();
  const item = h('div', { class: `toast ${bad ? 'bad' : ''}`, 'data-text': text }, h('span', { text }), h('button', { type: 'button', 'aria-label': 'Dismiss', onclick: () => item.remove() }, icon('close')));
  list.append(item);
  while (list.children.length > 3) list.firstChild.remove();
  setTimeout(() => item.remove(), ms);
}

/** What was said about a call that is over lies in the way of what comes after it. */
export const clearToasts = () => byId('toasts').replaceChildren();

/** @param {any} error */
export const complain = (error) => toast(inWords(error), { bad: true });
