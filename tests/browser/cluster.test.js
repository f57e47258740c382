import assert from 'node:assert/strict';
import test from 'node:test';
import { LAUNCH } from './support/browsers.js';
import { Caller, until } from './support/caller.js';
import { NATS, startCluster } from './support/nats.js';
import { lacking, SMALL } from './support/scene.js';

const why = lacking(['chromium']) ?? (NATS ? null : 'NATS is not installed (nats-server)');

/** @param {string} name @param {(stage: {nodes: Awaited<ReturnType<typeof startCluster>>['nodes'], caller: (name: string, node: number) => Promise<Caller>}) => Promise<void>} run */
function cluster(name, run) {
  test(name, { timeout: 120_000, skip: why && !process.env.CI ? why : false }, async (t) => {
    if (why) throw new Error(why);
    const { nodes, stop } = await startCluster(['a', 'b']);
    const browser = await LAUNCH.chromium();
    try {
      await run({ nodes, caller: (who, node) => Caller.open(browser, nodes[node].url, who) });
    } catch (error) {
      for (const node of nodes) t.diagnostic(node.output());
      throw error;
    } finally {
      await browser.close();
      await stop();
    }
  });
}

cluster('people at two nodes see and hear each other', async ({ caller }) => {
  const ann = await (await caller('Ann', 0)).join({ room: 'r', camera: SMALL, microphone: true });
  const bob = await (await caller('Bob', 1)).join({ room: 'r', camera: SMALL, microphone: true });
  await Promise.all([ann.sees('Bob'), ann.hears('Bob'), bob.sees('Ann'), bob.hears('Ann')]);
});

cluster('the node that has the room is killed: everybody is together again at the other one, and a room there has not noticed', async ({ nodes, caller }) => {
  const url = nodes.map((node) => node.url);
  const other = await (await caller('Other', 1)).join({ room: 'there', camera: SMALL });
  const watcher = await (await caller('Watcher', 1)).join({ room: 'there' });
  await watcher.sees('Other');
  const ann = await (await caller('Ann', 0)).join({ room: 'r', camera: SMALL, url });
  const bob = await (await caller('Bob', 1)).join({ room: 'r', camera: SMALL, url: url.toReversed() });
  await Promise.all([ann.sees('Bob'), bob.sees('Ann')]);
  const before = await watcher.ask('stats', 'Other', 'camera');

  await nodes[0].stop();
  for (const who of [ann, bob]) await until(`${who.name} is back`, () => who.state(), (s) => s === 'connected', 30_000);
  await Promise.all([ann.sees('Bob'), bob.sees('Ann')]);
  const after = await watcher.ask('stats', 'Other', 'camera');
  assert.equal(after.freezeCount ?? 0, before.freezeCount ?? 0, 'media of another room does not stand still');
  assert.deepEqual((await watcher.events()).filter((event) => event.startsWith('participant-left')), []);
});
