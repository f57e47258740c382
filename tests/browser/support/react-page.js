/** Pages with React and the packages of sdk/ as a browser loads them: ES modules by an import map, nothing bundled but React. */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import * as React from 'react';
import * as client from 'react-dom/client';

const sdk = fileURLToPath(new URL('../../../sdk/', import.meta.url));
const here = fileURLToPath(new URL('.', import.meta.url));

/** React comes as CommonJS; a browser needs its names spelled out. */
const entry = (from, module) =>
  `import all from '${from}'; export default all; export const { ${Object.keys(module).filter((name) => /^\w+$/.test(name) && name !== 'default').join(', ')} } = all;`;

/** @returns {Promise<Map<string, string>>} path -> source; both share one React */
async function vendored() {
  const sources = { react: entry('react', React), 'react-dom-client': entry('react-dom/client', client) };
  const { outputFiles } = await build({
    entryPoints: Object.keys(sources), bundle: true, splitting: true, format: 'esm', write: false, outdir: '/vendor', logLevel: 'silent',
    define: { 'process.env.NODE_ENV': '"development"' }, // StrictMode does nothing in production
    plugins: [{
      name: 'entries',
      setup(b) {
        b.onResolve({ filter: /^react(-dom-client)?$/ }, ({ path, kind }) => (kind === 'entry-point' ? { path, namespace: 'entry' } : undefined));
        b.onLoad({ filter: /.*/, namespace: 'entry' }, ({ path }) => ({ contents: sources[path], resolveDir: here }));
      },
    }],
  });
  return new Map(outputFiles.map((file) => [file.path, file.text]));
}

/**
 * Serves them, to pages of any origin.
 * @returns {Promise<{url: string, stop: () => void}>}
 */
export async function serveReact() {
  const vendor = await vendored();
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, 'http://x').pathname);
    const source = vendor.get(path) ?? (extname(path) === '.js' && !path.includes('node_modules') ? await readFile(sdk + path, 'utf8').catch(() => null) : null);
    const head = { 'content-type': 'text/javascript', 'access-control-allow-origin': '*', 'cache-control': 'no-store' };
    response.writeHead(source === null ? 404 : 200, head).end(source ?? '');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

/** Both names of each package, and what there is of `react-native` in a browser. @param {string} from */
const importMap = (from) => ({
  react: `${from}/vendor/react.js`,
  'react-dom/client': `${from}/vendor/react-dom-client.js`,
  'react-native': 'data:text/javascript,export const Alert = { alert: (text) => window.alerts.push(text) };',
  '@enfilade/client': `${from}/client/client.js`,
  '@enfilade/react': `${from}/react/index.js`,
  '@enfilade/react-native': `${from}/react-native/index.js`,
  '@videosdk.live/react-sdk': `${from}/react/index.js`,
  '@videosdk.live/react-native-sdk': `${from}/react-native/index.js`,
});

/**
 * A page that runs a module. In it: `token(room, grants)` asks the server for a development token, `mount(element)` renders
 * in StrictMode and gives `unmount`.
 * @param {import('puppeteer-core').Browser} browser
 * @param {string} url of the server under test
 * @param {string} from where `serveReact` serves
 * @param {string} source
 */
export async function openReact(browser, url, from, source) {
  const page = await browser.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(error.message));
  const ours = (message) => message.type() === 'error' && !message.location().url?.endsWith('/favicon.ico');
  page.on('console', (message) => ours(message) && page.faults.push(message.text())); // React complains there
  await page.goto(`${url}/sdk/client.js`); // a document without scripts of its own
  await page.evaluate((imports) => {
    document.body.replaceChildren();
    window.alerts = [];
    const map = Object.assign(document.createElement('script'), { type: 'importmap', textContent: JSON.stringify({ imports }) });
    document.head.append(map);
  }, importMap(from));
  const helpers = `
    import { createElement, StrictMode } from 'react';
    import { createRoot } from 'react-dom/client';
    window.token = async (room, grants = {}) => {
      const ask = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ room, ...grants }) };
      return (await (await fetch('/v1/dev/token', ask)).json()).token;
    };
    window.mount = (element) => {
      const root = createRoot(document.body.appendChild(document.createElement('div')));
      root.render(createElement(StrictMode, null, element));
      window.unmount = () => root.unmount();
    };
    window.ready = true;`;
  await page.addScriptTag({ type: 'module', content: helpers });
  await page.waitForFunction(() => window.ready, { timeout: 20_000, polling: 50 }); // a page behind another has no animation frames
  await page.addScriptTag({ type: 'module', content: source });
  return page;
}
