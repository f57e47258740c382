import { announce } from './dom.js';
import { nameOf } from './names.js';
import { toast } from './toasts.js';

/** After our own reconnect those who were here before may come back for this long without a word, in ms. */
const RETURN_MS = 30_000;
/** In larger rooms comings and goings are no news. */
const CROWD = 12;

/**
 * Says who comes and goes; but not what our own reconnecting makes of it, nor a restart of the server, after which everybody
 * comes back one by one.
 * @param {import('/sdk/client.js').Room} room
 * @returns {(() => void)[]} to stop it
 */
export function sayComings(room) {
  /** @type {Set<string>} those who were here when the connection broke */
  let before = new Set();
  let until = 0;
  const say = (text) => {
    announce(`${text}.`);
    if (room.participants.size <= CROWD) toast(text);
  };
  return [
    room.on('state', (state, previous) => {
      if (state === 'reconnecting') {
        before = new Set([...(Date.now() < until ? before : []), ...room.participants.keys()]);
        until = Infinity;
      } else if (previous === 'reconnecting') {
        until = Date.now() + RETURN_MS;
      }
    }),
    room.on('participant-joined', (who) => {
      if (Date.now() < until && before.has(who.id)) return;
      say(`${nameOf(who)} joined`);
    }),
    room.on('participant-left', (who, reason) => {
      if (room.state !== 'connected') return; // they may be back before we are
      before.delete(who.id);
      const how = { timeout: 'lost the connection', removed: 'was removed', duplicate: 'joined elsewhere' }[reason] ?? 'left';
      say(`${nameOf(who)} ${how}`);
    }),
  ];
}
