import { byId, h, hueOf } from './dom.js';
import { icon } from './icons.js';
import { complain } from './toasts.js';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** The text with its web addresses as links. @param {string} text @returns {Node[]} */
function withLinks(text) {
  return text.split(/(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]])/).map((part, i) =>
    i % 2 === 0 ? document.createTextNode(part) : h('a', { href: part, target: '_blank', rel: 'noopener noreferrer', text: part }),
  );
}

/** The conversation beside the call. */
export class Chat {
  #list = byId('messages');
  #off = [];

  /**
   * @param {import('/sdk/client.js').Room} room
   * @param {(text: string, who: string) => void} arrived
   */
  constructor(room, arrived) {
    const form = byId('chat-form');
    const text = byId('chat-text');
    form.querySelector('.send').replaceChildren(icon('send'));
    const submit = async (event) => {
      event.preventDefault();
      const said = text.value.trim();
      if (!said) return;
      text.value = '';
      const item = this.add('You', said, Date.now(), { className: 'mine sending' });
      try {
        await room.chat(said);
        item.classList.remove('sending');
      } catch (error) {
        item.classList.replace('sending', 'failed');
        complain(error);
      }
    };
    const keyed = (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) submit(event);
    };
    form.addEventListener('submit', submit);
    text.addEventListener('keydown', keyed);
    this.#off.push(
      () => form.removeEventListener('submit', submit),
      () => text.removeEventListener('keydown', keyed),
      room.on('chat', (message) => {
        const who = message.displayName || message.participant;
        this.add(who, message.text, message.timestampMs);
        arrived(message.text, who);
      }),
    );
    this.#list.replaceChildren();
  }

  close() {
    for (const off of this.#off) off();
  }

  /**
   * @param {string} who
   * @param {string} text
   * @param {number} at in ms since 1970
   * @param {{className?: string, from?: string, to?: string}} [how] from, to: the linked room it came from or went to
   * @returns {HTMLElement}
   */
  add(who, text, at, { className = '', from, to } = {}) {
    const room = from ?? to;
    const door = room === undefined ? null : h('span', { class: 'door-mark', style: `--hue:${hueOf(room)}` }, icon('door'), h('span', { text: `${from === undefined ? 'to' : 'in'} ${room}` }));
    const item = h('li', { class: className }, h('div', { class: 'who' }, h('b', { text: who }), door, h('time', { text: clock.format(at) })), h('div', { class: 'text' }, ...withLinks(text)));
    this.#list.append(item);
    while (this.#list.children.length > 500) this.#list.firstChild.remove();
    this.#list.scrollTop = this.#list.scrollHeight;
    return item;
  }
}
