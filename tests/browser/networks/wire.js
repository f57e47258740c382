import { execFileSync, spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The emulator: EMULATOR, or the newest of target/release and target/debug; null when it was not built. */
export function emulator() {
  const named = process.env.EMULATOR;
  if (named) return existsSync(named) ? named : null;
  const found = [`${root}target/release/emulator`, `${root}target/debug/emulator`].filter(existsSync);
  return found.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0] ?? null;
}

/** Why there can be no wire here; null when there can. */
export function lackingWire() {
  const path = emulator();
  if (!path) return 'the emulator was not built (cargo build -p emulator)';
  try {
    execFileSync(path, ['--check'], { stdio: ['ignore', 'ignore', 'pipe'] });
    return null;
  } catch (error) {
    return String(error.stderr ?? error).trim();
  }
}

/** The paths of the fault matrix, as the emulator's crate defines them. */
export const matrix = () => JSON.parse(execFileSync(emulator(), ['--matrix'], { encoding: 'utf8' }));

/** A bad network between two namespaces. See tests/wire/README.md for what it can do. */
export class Wire {
  #child;
  #asked = [];

  /** @param {number} [seed] */
  static async start(seed = 1) {
    const wire = new Wire();
    wire.#child = spawn(emulator(), ['--seed', String(seed)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ready = new Promise((resolve, reject) => wire.#asked.push({ resolve, reject }));
    wire.#child.once('exit', (code) => {
      for (const { reject } of wire.#asked.splice(0)) reject(new Error(`the emulator ended (${code})`));
    });
    wire.#child.stdin.on('error', () => {}); // its end is told by the exit
    createInterface({ input: wire.#child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line);
      const { resolve, reject } = wire.#asked.shift();
      if (answer.error) reject(new Error(answer.error.message));
      else resolve(answer);
    });
    const { near, far } = (await ready).ready;
    /** @type {{namespace: string, address: string}} the server's end */
    wire.near = near;
    /** @type {{namespace: string, address: string}} the client's end */
    wire.far = far;
    return wire;
  }

  /** @param {object} command @returns {Promise<any>} the statistics */
  async say(command) {
    const answered = new Promise((resolve, reject) => this.#asked.push({ resolve, reject }));
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    return (await answered).done.stats;
  }

  /** How late packets were since this was last asked, 99th percentile. */
  async lagMs() {
    return (await this.say({ forget_lag: true })).lag_p99_ms;
  }

  /** Both directions from now on. @param {{up: object, down: object}} path */
  set({ up, down }) {
    return this.say({ up, down });
  }

  stats() {
    return this.say({});
  }

  /** Ends it and its namespaces; whoever still runs inside is cut off. */
  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await gone;
  }
}
