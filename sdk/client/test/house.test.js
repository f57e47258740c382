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
  const core = size(sources.filter((file) => file.includes('/core/')));
  assert.ok(core < 115_000, `the core: ${core} bytes without comments`);
  assert.ok(size(sources) < 215_000, `the whole: ${size(sources)} bytes without comments`);
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
