import { EnfiladeError, requireArgument } from './errors.js';
import { browserPlatform } from './platform.js';
import { Servers } from './servers.js';
import { SignalSocket } from './socket.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Presence} Presence */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */

/**
 * @typedef {object} AskOptions
 * @property {string} token one that would be good for the room asked about
 * @property {string | string[]} [url] of the server, or of several that act as one; default: where the page came from
 * @property {Platform} [platform] default: the browser
 */

/**
 * Asks about a room without entering it.
 * @param {AskOptions & {room: string}} options
 * @returns {Promise<Presence>} a room exists if somebody is in it; rejects with `connect-failed` or the server's code
 */
export async function presence({ room, ...options }) {
  requireArgument(typeof room === 'string' && room !== '', 'presence: `room` is missing.');
  const { seq: _, re: __, type: ___, ...found } = await ask(options, 'presence', { room });
  return /** @type {Presence} */ (found);
}

/**
 * The rooms that are listed under a name (`settings.listing`).
 * @param {AskOptions & {listing: string}} options
 * @returns {Promise<Presence[]>} at most 100; rejects with `connect-failed` or the server's code
 */
export async function listRooms({ listing, ...options }) {
  requireArgument(typeof listing === 'string' && listing !== '', 'listRooms: `listing` is missing.');
  return (await ask(options, 'rooms', { listing })).rooms ?? [];
}

/**
 * One question on a socket of its own.
 * @param {AskOptions} options
 * @param {'presence' | 'rooms'} type of the question, and of its answer
 * @param {Record<string, unknown>} fields
 * @returns {Promise<ServerMessage>}
 */
function ask({ token, url, platform = browserPlatform() }, type, fields) {
  requireArgument(typeof token === 'string' && token !== '', `${type}: \`token\` is missing.`);
  return new Promise((resolve, reject) => {
    const socket = new SignalSocket(platform, new Servers(url ?? platform.defaultUrl()).url, {
      opened: () => socket.send({ id: 1, type, token, ...fields }),
      received: (message) => {
        if (message.type === type) resolve(message);
        else if (message.type === 'error') reject(new EnfiladeError(message.code, message.message, { field: message.field }));
        else return; // a pong
        socket.close();
      },
      closed: reject,
      ping: () => ({ id: 0, type: 'ping', lastSeq: 0 }),
    });
  });
}
