import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';

/** coturn's program (Debian: coturn); null where it is not installed. */
export const TURNSERVER = [process.env.TURNSERVER, '/usr/bin/turnserver', '/usr/local/bin/turnserver'].find((path) => path && existsSync(path)) ?? null;

/** An address of this machine that is not loopback, which a TURN server refuses to relay to. */
export const ownAddress = () => Object.values(networkInterfaces()).flat().find((own) => own?.family === 'IPv4' && !own.internal)?.address ?? null;

/** @returns {Promise<number>} a UDP port nobody uses */
export async function freePort() {
  const probe = createSocket('udp4');
  await new Promise((resolve) => probe.bind(0, '0.0.0.0', () => resolve(undefined)));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(() => resolve(undefined)));
  return port;
}

/**
 * A TURN server that relays to this machine's own address and nowhere else.
 * @param {{secret: string, address: string}} options the secret of `use-auth-secret`
 */
export async function startTurn({ secret, address }) {
  const folder = mkdtempSync(join(tmpdir(), 'turn-'));
  const port = await freePort();
  let output = '';
  /** @type {import('node:child_process').ChildProcess} */
  let child;
  const start = async () => {
    child = spawn(TURNSERVER ?? 'turnserver', [
      '-n', '--no-cli', '--no-tls', '--no-dtls', '--no-tcp-relay', '--no-multicast-peers', '--use-auth-secret', `--static-auth-secret=${secret}`, '--realm=test',
      `--listening-ip=${address}`, `--listening-port=${port}`, `--relay-ip=${address}`,
      '--denied-peer-ip=0.0.0.0-255.255.255.255', `--allowed-peer-ip=${address}`,
      '--log-file=stdout', '--simple-log', '--verbose', `--pidfile=${folder}/pid`, `--userdb=${folder}/db`,
    ], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output = (output + data).slice(-60_000)));
    for (let i = 0; i < 100 && !/listener opened on/i.test(output); i++) {
      if (child.exitCode !== null) throw new Error(`the TURN server ended at once:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  await start();
  process.once('exit', () => child.kill('SIGKILL'));
  return {
    url: `turn:${address}:${port}`,
    output: () => output,
    /** All relays are gone; new ones may be made. */
    async restart() {
      await stop();
      output = '';
      await start();
    },
    async close() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
