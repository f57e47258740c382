import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { CHROMIUM, FIREFOX } from '../support/browsers.js';
import { Caller } from '../support/caller.js';
import { binary } from '../support/server.js';
import { Wire } from './wire.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const measuring = readFileSync(new URL('./in-page.js', import.meta.url), 'utf8');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** In a namespace of its own the server can have any port. */
const HTTP = 7880;

/** A server and a browser at the near end of a wire, another browser at the far end. */
export class Stage {
  #scripts = mkdtempSync(join(tmpdir(), 'networks-'));
  /** @type {(() => Promise<unknown> | void)[]} */
  #endings = [() => rmSync(this.#scripts, { recursive: true, force: true })];
  #output = '';
  #addresses = 2;

  /** @param {{seed?: number, far?: 'chromium' | 'firefox'}} [options] far: which browser is at the far end */
  static async open({ seed = 1, far = 'chromium' } = {}) {
    const stage = new Stage();
    try {
      stage.wire = await Wire.start(seed);
      stage.#endings.push(() => stage.wire.stop());
      stage.url = `http://${stage.wire.near.address}:${HTTP}`;
      await stage.#startServer();
      [stage.near, stage.far] = await Promise.all([stage.#chromium('near'), far === 'firefox' ? stage.#firefox('far') : stage.#chromium('far')]);
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  async close() {
    for (const end of this.#endings.splice(0).reverse()) await Promise.resolve(end()).catch(() => {});
  }

  /** The server's last words. */
  output() {
    return this.#output;
  }

  /** Somebody with a page at one end, not joined yet. @param {'near' | 'far'} side @param {string} name */
  async caller(side, name) {
    const caller = await Caller.open(this[side], this.url, name);
    await caller.page.addScriptTag({ type: 'module', content: measuring });
    await caller.page.waitForFunction(() => 'measure' in window, { polling: 50 });
    return caller;
  }

  /** A page at one end that knows nothing of the server's rooms, for a direct call. @param {'near' | 'far'} side */
  async page(side) {
    const page = await this[side].newPage();
    await page.goto(`${this.url}/sdk/client.js`);
    await page.addScriptTag({ type: 'module', content: measuring });
    await page.waitForFunction(() => 'measure' in window, { polling: 50 });
    return page;
  }

  /** Runs a program at one end. @param {'near' | 'far'} side @param {string[]} command */
  inside(side, command) {
    const child = spawn('ip', ['netns', 'exec', this.wire[side].namespace, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    return new Promise((resolve, reject) => {
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
      child.once('error', reject);
      child.once('exit', (code) => (code === 0 ? resolve(output) : reject(new Error(`${command.join(' ')}: ${output}`))));
    });
  }

  /** One that the far end has not had yet. */
  nextAddress() {
    this.#addresses += 1;
    return `10.77.0.${this.#addresses}`;
  }

  /** Breaks every TCP connection between the server and the far end, as a proxy that restarts would. */
  killSockets() {
    return this.inside('near', ['ss', '-K', '-t', 'sport', '=', `:${HTTP}`, 'and', 'not', 'dst', this.wire.near.address]);
  }

  async #startServer() {
    const { namespace, address } = this.wire.near;
    const env = {
      ...process.env,
      ENFILADE_HTTP__LISTEN: `0.0.0.0:${HTTP}`,
      ENFILADE_MEDIA__LISTEN: '0.0.0.0',
      ENFILADE_MEDIA__ADVERTISED: JSON.stringify([address]),
    };
    const path = binary();
    if (!path) throw new Error('the server was not built: cargo build');
    const child = spawn('ip', ['netns', 'exec', namespace, path], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (this.#output = (this.#output + data).slice(-20_000)));
    const gone = new Promise((resolve) => child.once('exit', resolve));
    this.#endings.push(() => (child.kill('SIGKILL'), gone));
    for (let i = 0; i < 200 && child.exitCode === null; i++) {
      // Its health is asked for by a shell at its own end: no way leads there from here.
      const asks = `exec 3<>/dev/tcp/127.0.0.1/${HTTP}; printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3; grep -q ' 200 ' <&3`;
      if (await this.inside('near', ['bash', '-c', asks]).then(() => true, () => false)) return;
      await sleep(50);
    }
    throw new Error(`the server does not answer:\n${this.#output}`);
  }

  /** A program that runs another at one end. @param {'near' | 'far'} side @param {string} program */
  #wrapper(side, program) {
    const wrapper = join(this.#scripts, `browser-${side}`);
    writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${this.wire[side].namespace} ${program} "$@"\n`, { mode: 0o755 });
    return wrapper;
  }

  /** It is steered by a pipe, because its ports are at its own end. @param {'near' | 'far'} side */
  async #chromium(side) {
    const browser = await puppeteer.launch({
      executablePath: this.#wrapper(side, CHROMIUM),
      headless: true,
      pipe: true,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--use-fake-device-for-media-stream=fps=30',
        '--use-fake-ui-for-media-stream',
        '--autoplay-policy=no-user-gesture-required',
        '--disable-features=WebRtcHideLocalIpsWithMdns',
        '--disable-background-timer-throttling',
        '--disable-backgrounding-occluded-windows',
        '--disable-renderer-backgrounding',
        '--disable-background-networking',
        // A page from a bare address is not secure by itself, and would get no camera.
        `--unsafely-treat-insecure-origin-as-secure=${this.url}`,
      ],
    });
    this.#endings.push(() => browser.close());
    return browser;
  }

  /** It is steered through a port only, to which a relay leads. @param {'near' | 'far'} side */
  async #firefox(side) {
    const path = join(this.#scripts, `relay-${side}`);
    const relays = createServer((near) => {
      const far = connect(path);
      for (const [one, other] of [[near, far], [far, near]]) one.on('error', () => other.destroy()).on('close', () => other.destroy()).pipe(other);
    });
    await once(relays.listen(0, '127.0.0.1'), 'listening');
    this.#endings.push(() => void relays.close());
    const { port } = /** @type {import('node:net').AddressInfo} */ (relays.address());
    const script = fileURLToPath(new URL('./relay.js', import.meta.url));
    const relay = spawn('ip', ['netns', 'exec', this.wire[side].namespace, process.execPath, script, path, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#endings.push(() => void relay.kill('SIGKILL'));
    await once(relay.stdout, 'data');
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: this.#wrapper(side, FIREFOX),
      headless: true,
      debuggingPort: port,
      extraPrefsFirefox: {
        'media.navigator.streams.fake': true,
        'media.navigator.permission.disabled': true,
        'media.peerconnection.ice.obfuscate_host_addresses': false,
        'media.autoplay.default': 0,
        'media.gmp-manager.updateEnabled': false,
        'network.captive-portal-service.enabled': false,
        'network.connectivity-service.enabled': false,
        'app.update.enabled': false,
        'datareporting.policy.dataSubmissionEnabled': false,
        // As for Chromium: a page from a bare address is not secure by itself.
        'dom.securecontext.allowlist': this.wire.near.address,
      },
    });
    this.#endings.push(() => browser.close());
    return browser;
  }
}
