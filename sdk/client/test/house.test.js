import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const home = join(dirname(fileURLToPath(import.meta.url)), '..');
const sources = ['', 'core', 'meeting'].flatMap((folder) =>
  readdirSync(join(home, folder)).filter((name) => name.endsWith('.js')).map((name) => join(home, folder, name)),
);

test('the SDK, comments aside, is small enough to be loaded as it is: the core, and the whole with the Meeting API', () => {
  const size = (files) => files.reduce((sum, file) => sum + readFileSync(file, 'utf8').replace(/^\s*(\/\*\*|\*|\/\/).*$/gm, '').length, 0);
  const worker = sources.filter((file) => /e2ee-(worker|cipher|format)\.js$/.test(file)); // loaded by who encrypts, apart from the page
  const page = sources.filter((file) => !worker.includes(file));
  const core = size(page.filter((file) => file.includes('/core/')));
  assert.ok(core < 135_000, `the core: ${core} bytes without comments`);
  assert.ok(size(page) < 240_000, `the whole: ${size(page)} bytes without comments`);
  assert.ok(size(worker) < 25_000, `the worker: ${size(worker)} bytes without comments`);
});

test('modules import only their own kind: relative, with extension, the core nothing of the Meeting API', () => {
  for (const file of sources) {
    for (const [, from] of readFileSync(file, 'utf8').matchAll(/(?:^import|^export) [^;]*?from '([^']+)'/gm)) {
      assert.match(from, /^\.\.?\/.*\.js$/, `${relative(home, file)} imports ${from}`);
      if (file.includes('/core/')) assert.ok(!from.includes('meeting'), `${relative(home, file)} imports ${from}`);
    }
  }
});

test('only platform.js touches the globals of a browser', () => {
  const banned = /\b(window|document|navigator|localStorage|new WebSocket|new RTCPeerConnection|new MediaStream\b|Date\.now|Math\.random)\b/;
  for (const file of sources) {
    if (file.endsWith('platform.js')) continue;
    const code = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
    assert.doesNotMatch(code, banned, relative(home, file));
  }
});

test('files stay readable', () => {
  for (const file of sources) {
    const lines = readFileSync(file, 'utf8').split('\n').length;
    assert.ok(lines <= 450, `${relative(home, file)} has ${lines} lines`);
  }
});
