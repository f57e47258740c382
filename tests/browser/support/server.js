import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The binary under test: SERVER_UNDER_TEST, or the newest of target/release and target/debug; null when it was not built. */
export function binary() {
  const named = process.env.SERVER_UNDER_TEST;
  if (named) return existsSync(named) ? named : null;
  const found = [`${root}target/release/enfilade`, `${root}target/debug/enfilade`].filter(existsSync);
  return found.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0] ?? null;
}

/** @returns {Promise<number>} a TCP port nobody uses */
async function freeTcpPort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** @returns {Promise<number>} the first of as many neighbouring ports, free for UDP and TCP, as there are cores */
async function freeMediaPorts(count = availableParallelism()) {
  for (let tries = 0; tries < 50; tries++) {
    const first = 20_000 + Math.floor(Math.random() * 30_000);
    const sockets = Array.from({ length: count }, () => createSocket('udp4'));
    const listeners = Array.from({ length: count }, () => createServer());
    const taken = await Promise.allSettled([
      ...sockets.map((socket, i) => new Promise((resolve, reject) => socket.once('error', reject).bind(first + i, '127.0.0.1', resolve))),
      ...listeners.map((listener, i) => new Promise((resolve, reject) => listener.once('error', reject).listen(first + i, '0.0.0.0', resolve))),
    ]);
    await Promise.allSettled([...sockets, ...listeners].map((socket) => new Promise((resolve) => socket.close(resolve))));
    if (taken.every((t) => t.status === 'fulfilled')) return first;
  }
  throw new Error('no free media ports');
}

/**
 * Starts the server in development mode on ports of its own.
 * @param {{env?: Record<string, string>, tls?: import('./certificate.js').Certificate}} [options]
 */
export async function startServer({ env = {}, tls } = {}) {
  const path = binary();
  if (!path) throw new Error('the server was not built: cargo build');
  const [http, media] = [await freeTcpPort(), await freeMediaPorts()];
  const url = `${tls ? 'https' : 'http'}://localhost:${http}`;
  const shown = tls ? { ENFILADE_HTTP__TLS_CERTIFICATE: tls.certificate, ENFILADE_HTTP__TLS_KEY: tls.key } : {};
  let child;
  let output = '';

  const start = async () => {
    child = spawn(path, [], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ENFILADE_HTTP__LISTEN: `127.0.0.1:${http}`, ENFILADE_MEDIA__FIRST_PORT: String(media), ENFILADE_ROOM__MAX_DELAY: '0s', ...shown, ...env },
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output = (output + data).slice(-20_000)));
    const { exitCode, signalCode } = await ready();
    if (exitCode !== null || signalCode !== null) throw new Error(`the server ended at once:\n${output}`);
  };
  const ready = async () => {
    for (let i = 0; i < 200 && child.exitCode === null; i++) {
      if (await fetch(`${url}/healthz`).then((r) => r.ok, () => false)) return child;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (child.exitCode === null) throw new Error(`the server does not answer:\n${output}`);
    return child;
  };
  const stop = async (signal = 'SIGKILL') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  };

  await start();
  return {
    url,
    port: http,
    media,
    stop,
    /** Kills it and starts it again on the same ports. */
    restart: async () => {
      await stop();
      await start();
    },
    /** Its last words, for a failing test. */
    output: () => output,
  };
}
