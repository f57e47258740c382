import { nameOf } from './names.js';
import { complain, toast } from './toasts.js';

/** A wish to be asked over is forgotten after so long, in ms. */
const SWITCH_MS = 120_000;

const DEVICES = /** @type {const} */ ({
  microphone: { word: 'microphone', icon: 'mic', act: 'setMicrophone' },
  camera: { word: 'camera', icon: 'cam', act: 'setCamera' },
  screen: { word: 'screen', icon: 'share', act: 'setScreen' },
});

/**
 * Puts what others ask of us, or of our room, as questions to the person.
 * @param {import('/sdk/client.js').Room} room
 * @param {import('./asks.js').Asks} asks
 * @param {(room: string, token: string) => void} go
 * @returns {(() => void)[]} to stop it
 */
export function putRequests(room, asks, go) {
  const here = (id) => {
    const who = room.participants.get(id);
    return who ? nameOf(who) : 'Somebody';
  };
  return [
    room.on('switch', ({ room: to, token, payload, participant, link }) => {
      const there = link === null ? null : room.links.get(link)?.participants.get(participant);
      // What they call themselves counts only where their room does not show its people.
      const said = /** @type {any} */ (payload)?.displayName;
      const who = link === null ? here(participant) : there ? nameOf(there) : typeof said === 'string' && said ? said.slice(0, 60) : 'Somebody';
      const text = link === null ? `${who} asks you to go over to the room ${to}.` : `${who} in ${link} asks you over.`;
      asks.add('switch', { text, yes: 'Go', no: 'Stay', ms: SWITCH_MS, answered: (yes) => yes && go(to, token) });
    }),
    room.on('link-requested', ({ request, room: from, participant, displayName, expiresMs, accept, reject }) => {
      const text = `${nameOf({ id: participant, displayName })} in ${from} would like to open a door between your rooms.`;
      asks.add(`link ${request}`, { text, yes: 'Accept', no: 'Refuse', ms: expiresMs, answered: (yes) => (yes ? accept() : reject()) });
    }),
    room.on('link-request-ended', ({ request }) => asks.drop(`link ${request}`)),
    room.on('entry-requested', ({ participant, displayName, allow, deny }) => {
      const text = `${nameOf({ id: participant, displayName })} would like to come in.`;
      asks.add(`entry ${participant}`, { text, yes: 'Let in', no: 'Refuse', icon: 'people', answered: (yes) => (yes ? allow() : deny()) });
    }),
    room.on('entry-responded', ({ participant }) => asks.drop(`entry ${participant}`)),
    room.on('media-requested', ({ participant, source, on }) => {
      const { word, icon, act } = DEVICES[source];
      asks.drop(`media ${source}`);
      if (!on) return toast(source === 'screen' ? `${here(participant)} ended your screen share.` : `${here(participant)} turned your ${word} off. You can turn it on again.`, { ms: 6000 });
      const text = source === 'screen' ? `${here(participant)} asks you to share your screen.` : `${here(participant)} asks you to turn your ${word} on.`;
      const yes = source === 'screen' ? 'Share' : 'Turn on';
      asks.add(`media ${source}`, { text, yes, no: 'Not now', icon, ms: SWITCH_MS, answered: (answer) => answer && room.devices[act](true).catch(complain) });
    }),
  ];
}
