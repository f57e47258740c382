import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const sdk = join(dirname(fileURLToPath(import.meta.url)), '../..');
const sources = ['react', 'react/hooks', 'react/store', 'react-native'].flatMap((folder) =>
  readdirSync(join(sdk, folder)).filter((name) => name.endsWith('.js')).map((name) => join(sdk, folder, name)),
);
const code = (file) => readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');

test('the packages import React, the client and themselves, and nothing of the DOM or of React Native', () => {
  for (const file of sources) {
    for (const [, from] of readFileSync(file, 'utf8').matchAll(/(?:^import|^export) [^;]*?from '([^']+)'/gm)) {
      assert.match(from, /^(\.\.?\/.*\.js|react|@enfilade\/(client|react))$/, `${relative(sdk, file)} imports ${from}`);
      if (file.includes('/store/')) assert.notEqual(from, 'react', 'the store knows no React');
    }
  }
});

test('no global of a browser is touched, and none is set', () => {
  for (const file of sources) {
    assert.doesNotMatch(code(file), /\b(window|document|navigator|localStorage|globalThis|global)\b/, relative(sdk, file));
  }
});

test('every file that is imported is in the package', () => {
  for (const name of ['react', 'react-native']) {
    const { files } = JSON.parse(readFileSync(join(sdk, name, 'package.json'), 'utf8'));
    const mine = sources.filter((file) => file.startsWith(join(sdk, name, '/')));
    for (const file of mine) assert.ok(files.includes(relative(join(sdk, name), file).split('/')[0]), relative(sdk, file));
  }
});

test('files stay readable', () => {
  for (const file of sources) {
    const lines = readFileSync(file, 'utf8').split('\n').length;
    assert.ok(lines <= 450, `${relative(sdk, file)} has ${lines} lines`);
  }
});
