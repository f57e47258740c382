import { announce, byId, h } from './dom.js';
import { icon } from './icons.js';
import { complain } from './toasts.js';

/** The key that leads to the question. */
const KEY = 'A';

/**
 * Questions to the person, which stay until they are answered or have become pointless. They take no focus from whoever
 * is writing: a key leads there.
 */
export class Asks {
  #place = byId('asks');
  /** @type {Map<string, {element: any, timer: number}>} */ #open = new Map();
  #onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.toUpperCase() !== KEY) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    this.#place.querySelector('button')?.focus();
  };

  constructor() {
    document.addEventListener('keydown', this.#onKey);
  }

  /**
   * @param {string} key what it is about: a newer question takes the place of an older one
   * @param {object} ask
   * @param {string} ask.text
   * @param {string} ask.yes on the button
   * @param {string} ask.no
   * @param {(yes: boolean) => unknown} ask.answered
   * @param {'door' | 'people' | 'mic' | 'cam' | 'share'} [ask.icon]
   * @param {number} [ask.ms] until nobody need answer any more
   */
  add(key, { text, yes, no, answered, icon: picture = 'door', ms = 0 }) {
    this.drop(key);
    const answer = async (choice) => {
      this.drop(key);
      try {
        await answered(choice);
      } catch (error) {
        complain(error);
      }
    };
    const button = (word, choice) => h('button', { type: 'button', class: choice ? 'primary' : 'secondary', text: word, onclick: () => void answer(choice) });
    const element = h('div', { class: 'ask', role: 'group', 'aria-label': text, 'data-ask': key }, icon(picture), h('p', { text }), h('div', { class: 'ask-buttons' }, button(yes, true), button(no, false)));
    this.#place.append(element);
    this.#open.set(key, { element, timer: ms > 0 ? window.setTimeout(() => this.drop(key), ms) : 0 });
    announce(`${text} Press ${KEY} to answer.`);
  }

  /** It is settled, or pointless now. @param {string} key */
  drop(key) {
    const open = this.#open.get(key);
    if (!open) return;
    clearTimeout(open.timer);
    const focused = open.element.contains(document.activeElement);
    open.element.remove();
    this.#open.delete(key);
    if (focused) (this.#place.querySelector('button') ?? byId('control-mic'))?.focus({ preventScroll: true });
  }

  close() {
    document.removeEventListener('keydown', this.#onKey);
    for (const key of [...this.#open.keys()]) this.drop(key);
  }
}
