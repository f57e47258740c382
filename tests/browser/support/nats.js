import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './caller.js';
import { startServer } from './server.js';

/** NATS (Debian: nats-server); null where it is not installed. */
export const NATS = ['/usr/sbin/nats-server', '/usr/bin/nats-server', '/usr/local/bin/nats-server'].find(existsSync) ?? null;

/** A NATS server with JetStream, on a port of its own. */
export async function startNats() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
  await new Promise((resolve) => probe.close(resolve));
  const store = mkdtempSync(join(tmpdir(), 'nats-'));
  const child = spawn(NATS ?? 'nats-server', ['--jetstream', '--addr', '127.0.0.1', '--port', String(port), '--store_dir', store], { stdio: 'ignore' });
  for (let i = 0; i < 100; i++) {
    const answers = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (answers) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      rmSync(store, { recursive: true, force: true });
    },
  };
}

/** Nodes of these names that know each other, and the NATS server between them. Their pages may open each other's sockets. @param {string[]} names */
export async function startCluster(names) {
  const nats = await startNats();
  /** @type {Awaited<ReturnType<typeof startServer>>[]} */
  const nodes = [];
  const stop = async () => {
    for (const node of nodes) await node.stop();
    await nats.stop();
  };
  try {
    const env = { ENFILADE_CLUSTER__NATS: nats.url, ENFILADE_HTTP__ALLOWED_ORIGINS: '["*"]' };
    for (const name of names) nodes.push(await startServer({ env: { ...env, ENFILADE_CLUSTER__NAME: name } }));
    for (const node of nodes) {
      await until('the nodes know each other', () => fetch(`${node.url}/metrics`).then((r) => r.text()), (page) => page.includes(`\nenfilade_cluster_nodes ${names.length}\n`));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { nodes, stop };
}
