import { bars, byId, h, hueOf, initials } from './dom.js';
import { icon } from './icons.js';
import { nameOf } from './names.js';
import { complain, toast } from './toasts.js';

const MARKS = /** @type {const} */ ([['microphone', 'mic', 'microphone'], ['camera', 'cam', 'camera']]);

/** The list of those who are here. Rows stay the same elements, so that a click on one hits it while people speak. */
export class People {
  /** @type {Map<string, {row: any, dot: any, name: any, marks: any, shown: string}>} */ #rows = new Map();
  #list = byId('people-view');

  /** @param {import('/sdk/client.js').Room} room */
  constructor(room) {
    this.room = room;
  }

  refresh() {
    const self = this.room.localParticipant;
    const everybody = [...(self ? [self] : []), ...this.room.participants.values()];
    const ids = new Set(everybody.map((who) => who.id));
    for (const [id, { row }] of this.#rows) {
      if (ids.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    for (const who of everybody) this.#show(who);
  }

  close() {
    this.#rows.clear();
    this.#list.replaceChildren();
  }

  /** @param {any} who a participant, we ourselves among them */
  #show(who) {
    let parts = this.#rows.get(who.id);
    if (!parts) {
      const [dot, name, marks] = [h('span', { class: 'dot', style: `--hue:${hueOf(who.id)}`, 'aria-hidden': 'true' }), h('b'), h('span', { class: 'marks' })];
      parts = { dot, name, marks, row: h('li', {}, dot, name, marks), shown: '' };
      this.#rows.set(who.id, parts);
      this.#list.append(parts.row);
    }
    const name = nameOf(who);
    parts.row.classList.toggle('speaking', who.speaking);
    parts.dot.textContent = initials(name);
    parts.name.textContent = who.local ? `${name} (you)` : name;
    const states = MARKS.map(([source]) => {
      const publication = who.publication(source);
      return publication ? !publication.muted : null;
    });
    const shown = JSON.stringify([name, who.quality, states]);
    if (parts.shown === shown) return;
    parts.shown = shown;
    const focused = parts.marks.contains(document.activeElement) ? document.activeElement?.getAttribute('data-source') : null;
    const marks = MARKS.map(([source, picture, word], i) => this.#mark(who, name, source, picture, word, states[i]));
    parts.marks.replaceChildren(...(who.quality === null ? [] : [bars(who.quality)]), ...marks);
    if (focused) parts.marks.querySelector(`[data-source=${focused}]`)?.focus();
  }

  /** On or off; for who may moderate a button that changes it. */
  #mark(who, name, source, picture, word, on) {
    const drawn = icon(on ? picture : /** @type {any} */ (`${picture}Off`), on ? '' : 'is-off');
    if (who.local || on === null || !this.room.permissions.has('moderate')) return h('span', { role: 'img', 'aria-label': `${word} ${on ? 'on' : 'off'}` }, drawn);
    const label = on ? `Turn the ${word} of ${name} off` : `Ask ${name} to turn the ${word} on`;
    const act = async () => {
      try {
        await this.room.requestMedia(who.id, source, !on);
        if (!on) toast(`${name} was asked to turn the ${word} on`);
      } catch (error) {
        complain(error);
      }
    };
    return h('button', { type: 'button', class: 'plain', 'data-source': source, 'aria-label': label, title: label, onclick: () => void act() }, drawn);
  }
}
