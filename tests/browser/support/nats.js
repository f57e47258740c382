import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
