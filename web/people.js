import { bars, byId, h, hueOf, initials } from './dom.js';
import { icon } from './icons.js';

/**
 * The list of those who are here.
 * @param {import('/sdk/client.js').Room} room
 */
export function showPeople(room) {
  const self = room.localParticipant;
  const everybody = [...(self ? [self] : []), ...room.participants.values()];
  byId('people-view').replaceChildren(
    ...everybody.map((who) => {
      const name = who.displayName || who.id;
      const on = (source) => {
        const publication = who.publication(source);
        return Boolean(publication && !publication.muted);
      };
      const mark = (source, name, word) =>
        h('span', { role: 'img', 'aria-label': `${word} ${on(source) ? 'on' : 'off'}` }, icon(on(source) ? name : `${name}Off`, on(source) ? '' : 'is-off'));
      return h(
        'li',
        { class: who.speaking ? 'speaking' : '' },
        h('span', { class: 'dot', style: `--hue:${hueOf(who.id)}`, 'aria-hidden': 'true', text: initials(name) }),
        h('b', { text: who.local ? `${name} (you)` : name }),
        who.quality === null ? null : bars(who.quality),
        mark('microphone', 'mic', 'microphone'),
        mark('camera', 'cam', 'camera'),
      );
    }),
  );
}
