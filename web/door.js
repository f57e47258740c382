import { announce, h, hueOf, initials } from './dom.js';
import { icon } from './icons.js';
import { nameOf, people } from './names.js';
import { complain, toast } from './toasts.js';

/** For so long nobody need be asked again, in ms; the server allows few requests a minute. */
const ASKED_MS = 20_000;

/** @typedef {import('/sdk/client.js').RoomLink} RoomLink */

/**
 * The door to a linked room: who is there, a line to say something across, and what else one may do there.
 */
export class Door {
  #off = [];
  /** @type {Map<string, {row: any, name: any, dot: any, ask: any, timer: number}>} by participant id */ #rows = new Map();

  /**
   * @param {RoomLink} link
   * @param {object} hooks
   * @param {boolean} hooks.mayLink whether we may close it and ask people over
   * @param {() => void} hooks.go
   * @param {(person: {id: string, displayName: string}) => Promise<boolean>} hooks.askOver whether it was asked
   * @param {(text: string) => Promise<void>} hooks.say
   */
  constructor(link, { mayLink, go, askOver, say }) {
    this.link = link;
    this.mayLink = mayLink;
    this.askOver = askOver;
    const may = (right) => link.rights.has(right);
    const title = `door-${hueOf(link.id)}-${Math.random().toString(36).slice(2)}`;
    this.count = h('span', { class: 'count' });
    this.list = h('ul', { class: 'door-people', 'aria-label': `People in ${link.id}` });
    this.note = h('p', { class: 'door-note', hidden: true });
    this.last = h('p', { class: 'door-last', hidden: true });
    this.text = h('input', { type: 'text', maxlength: 4000, autocomplete: 'off', placeholder: 'Write across…', 'aria-label': `Say something to everybody in ${link.id}` });
    const chat = h('form', { class: 'door-chat', onsubmit: (event) => this.#submit(event, say) }, this.text, h('button', { class: 'send', 'aria-label': `Send to ${link.id}` }, icon('send')));
    this.end = h('button', { type: 'button', class: 'small bad', text: 'End that room', onclick: () => this.#sure(true) });
    this.actions = h(
      'div',
      { class: 'door-actions' },
      h('button', { type: 'button', class: 'small strong', text: 'Go through', 'aria-label': `Go through to ${link.id}`, onclick: go }),
      mayLink ? h('button', { type: 'button', class: 'small', text: 'Close door', 'aria-label': `Close the door to ${link.id}`, onclick: (event) => void this.#act(event, () => link.close()) }) : null,
      mayLink && may('end') ? this.end : null,
    );
    this.keep = h('button', { type: 'button', class: 'small', text: 'Keep it', onclick: () => this.#sure(false) });
    this.sure = h(
      'div',
      { class: 'door-sure', role: 'group', 'aria-label': `End ${link.id}`, hidden: true },
      h('p', { text: `End ${link.id} for everybody in it?` }),
      this.keep,
      h('button', { type: 'button', class: 'small bad', text: 'End it', onclick: (event) => void this.#act(event, () => link.end()) }),
    );
    this.element = h(
      'article',
      { class: 'door', 'aria-labelledby': title, 'data-room': link.id, style: `--hue:${hueOf(link.id)}` },
      h('header', {}, icon('door'), h('h3', { id: title, text: link.id, title: link.id }), this.count),
      this.note,
      this.list,
      this.last,
      may('chat') ? chat : null,
      this.actions,
      this.sure,
    );
    for (const event of ['participant-joined', 'participant-left', 'participant-updated', 'state']) this.#off.push(link.on(/** @type {any} */ (event), () => this.#show()));
    this.#off.push(link.on('gap', (lost) => toast(`${lost === 1 ? 'A message' : `${lost} messages`} from ${link.id} did not get through.`, { bad: true })));
    this.#show();
  }

  /** The latest of what was said over there. @param {string} who @param {string} text */
  heard(who, text) {
    this.last.replaceChildren(h('b', { text: who }), ` ${text}`);
    this.last.hidden = false;
  }

  remove() {
    for (const off of this.#off) off();
    for (const { timer } of this.#rows.values()) clearTimeout(timer);
    this.element.remove();
  }

  #show() {
    const { link } = this;
    const sees = link.rights.has('roster');
    this.element.classList.toggle('stale', link.stale);
    this.count.textContent = sees ? people(link.participants.size) : '';
    this.note.textContent = link.stale ? 'Not a sound from there right now. Waiting…' : sees ? '' : 'This room does not show who is there.';
    this.note.hidden = !this.note.textContent;
    for (const [id, { row, timer }] of this.#rows) {
      if (link.participants.has(id)) continue;
      clearTimeout(timer);
      row.remove();
      this.#rows.delete(id);
    }
    for (const person of link.participants.values()) this.#person(person);
  }

  /** @param {{id: string, displayName: string}} person */
  #person(person) {
    let parts = this.#rows.get(person.id);
    if (!parts) {
      const [dot, name] = [h('span', { class: 'dot', style: `--hue:${hueOf(person.id)}`, 'aria-hidden': 'true' }), h('b')];
      const ask = this.mayLink && this.link.rights.has('switch') ? h('button', { type: 'button', class: 'small', text: 'Ask over', onclick: () => void this.#ask(person.id) }) : null;
      parts = { dot, name, ask, timer: 0, row: h('li', {}, dot, name, ask) };
      this.#rows.set(person.id, parts);
      this.list.append(parts.row);
    }
    const shown = nameOf(person);
    parts.dot.textContent = initials(shown);
    parts.name.textContent = parts.name.title = shown;
    parts.ask?.setAttribute('aria-label', `Ask ${shown} over`);
  }

  /** @param {string} id */
  async #ask(id) {
    const [person, parts] = [this.link.participants.get(id), this.#rows.get(id)];
    if (!person || !parts || parts.ask.getAttribute('aria-disabled') === 'true') return;
    const still = (text, off) => {
      parts.ask.textContent = text;
      parts.ask.setAttribute('aria-disabled', String(off));
    };
    still('Asking…', true);
    let asked = false;
    try {
      asked = await this.askOver(person);
    } catch (error) {
      complain(error);
    }
    if (!asked) return still('Ask over', false);
    still('Asked', true);
    announce(`${nameOf(person)} was asked over.`);
    parts.timer = window.setTimeout(() => still('Ask over', false), ASKED_MS);
  }

  /** @param {Event} event @param {(text: string) => Promise<void>} say */
  async #submit(event, say) {
    event.preventDefault();
    const said = this.text.value.trim();
    if (!said) return;
    this.text.value = '';
    await say(said);
  }

  /** @param {boolean} asking */
  #sure(asking) {
    this.sure.hidden = !asking;
    this.actions.hidden = asking;
    (asking ? this.keep : this.end).focus({ preventScroll: true });
  }

  /** @param {Event} event @param {() => Promise<void>} job */
  async #act({ currentTarget }, job) {
    const button = /** @type {any} */ (currentTarget);
    button.disabled = true;
    try {
      await job();
    } catch (error) {
      complain(error);
    }
    button.disabled = false;
  }
}
