import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Beyond what an order allows itself, a driver has this long to say how it went, in ms. */
const GRACE_MS = 5_000;

/** A program that obeys orders: lines of JSON in, lines of JSON out (README.md says which). */
export class Driver {
  #child;
  #waiting = new Map();
  #next = 1;
  #errors = '';
  #gone = null;

  /**
   * @param {string} name for messages
   * @param {string} program
   * @param {string[]} args
   * @param {Record<string, string>} [env]
   */
  constructor(name, program, args, env = {}) {
    this.name = name;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.#child.stderr.on('data', (data) => (this.#errors = (this.#errors + data).slice(-8_000)));
    this.#child.stdin.on('error', () => {}); // told by its end
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#hear(line));
    const ended = (how) => {
      this.#gone ??= `${name} ended (${how})`;
      for (const { reject } of this.#waiting.values()) reject(new Error(`${this.#gone}\n${this.#errors}`));
      this.#waiting.clear();
    };
    this.#child.on('error', (error) => ended(error.message));
    this.#child.on('close', (code, signal) => ended(signal ?? code));
  }

  /** Its last words, for a failing cell. */
  get errors() {
    return this.#errors;
  }

  /**
   * Gives an order and waits for what comes of it.
   * @param {string} what
   * @param {Record<string, unknown> & {limitMs?: number}} fields
   * @returns {Promise<any>}
   */
  order(what, fields) {
    if (this.#gone) return Promise.reject(new Error(`${this.#gone}\n${this.#errors}`));
    const id = this.#next++;
    const limit = (fields.limitMs ?? 10_000) + GRACE_MS;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${this.name} did not answer "${what}" within ${limit} ms`));
      }, limit);
      const done = (then) => (value) => (clearTimeout(timer), then(value));
      this.#waiting.set(id, { resolve: done(resolve), reject: done(reject) });
      this.#child.stdin.write(`${JSON.stringify({ id, do: what, ...fields })}\n`);
    });
  }

  /** Ends it: by the end of its input, and if that does not help, by force. */
  async close() {
    if (this.#gone) return;
    const gone = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(timer);
  }

  #hear(line) {
    let said;
    try {
      said = JSON.parse(line);
    } catch {
      this.#errors = `${this.#errors}${line}\n`.slice(-8_000); // a library that talks on standard output
      return;
    }
    const waiting = this.#waiting.get(said.id);
    this.#waiting.delete(said.id);
    if (said.error !== undefined) waiting?.reject(new Error(`${this.name}: ${said.error}`));
    else waiting?.resolve(said.ok);
  }
}
