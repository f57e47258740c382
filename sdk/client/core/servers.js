import { requireArgument } from './errors.js';
import { signalUrl } from './protocol.js';

/** The addresses of one server, or of several that act as one: when one does not answer, the next is asked. */
export class Servers {
  #urls;
  #at = 0;

  /** @param {string | string[]} urls of pages or signalling sockets */
  constructor(urls) {
    this.#urls = [urls].flat().map(signalUrl);
    requireArgument(this.#urls.length > 0, '`url` names no server.');
  }

  /** Of the signalling socket of the one to ask now. */
  get url() {
    return this.#urls[this.#at] ?? '';
  }

  /** That one does not answer. */
  next() {
    this.#at = (this.#at + 1) % this.#urls.length;
  }
}
