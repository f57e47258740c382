import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SDK = { react: '@videosdk.live/react-sdk', reactnative: '@videosdk.live/react-native-sdk' };
/** Where the names lead that the blocks and the SDK import; the SDK itself comes with the sources, as from a package. */
const ALIAS = {
  [SDK.react]: here('../../../sdk/react/index.js'),
  [SDK.reactnative]: here('../../../sdk/react-native/index.js'),
  '@enfilade/client': here('../../../sdk/client/client.js'),
  '@enfilade/react': here('../../../sdk/react/index.js'),
  'react-native': here('./react-native.js'),
  react: here('../node_modules/react'),
  'react-dom': here('../node_modules/react-dom'),
};

/** The block as it is, as the body of a function. @param {string} source */
export const asFunction = (source) => `window.block = () => {
${source}
return { press: typeof onClick === 'function' ? onClick : undefined, meeting: typeof meeting === 'object' ? meeting : undefined };
};`;

/** The block as it is, as the body of a component; what it imports stands above. @param {string} source */
export function asComponent(source) {
  const isImport = (line) => line.startsWith('import ');
  const lines = source.split('\n');
  return `${lines.filter(isImport).join('\n')}
export function Block({ setToken, setMeetingId }) {
{
${lines.filter((line) => !isImport(line)).join('\n')}
window.person.press = typeof onClick === 'function' ? onClick : typeof onPress === 'function' ? onPress : () => {};
}
return null;
}`;
}

/** A phone's WebRTC is the browser's here. */
const REGISTER = `
import { register } from '${SDK.reactnative}';
const { RTCPeerConnection, MediaStream, RTCRtpReceiver, navigator: { mediaDevices } } = window;
register({ RTCPeerConnection, MediaStream, RTCRtpReceiver, mediaDevices }, { signalingBaseUrl: location.origin });`;

/**
 * The script of a page.
 * @param {'js' | 'react' | 'reactnative'} tab
 * @param {string} [source] of the block, for React
 * @returns {Promise<string>} an ES module
 */
export async function page(tab, source = '') {
  const entry =
    tab === 'js'
      ? "import './js-page.js';"
      : `import * as sdk from '${SDK[tab]}'; import { begin } from './react-page.js'; import { Block } from 'the-block';
${tab === 'reactnative' ? REGISTER : ''}
begin(sdk, Block);`;
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: here('.') },
    bundle: true,
    write: false,
    format: 'esm',
    external: ['/sdk/*'],
    alias: ALIAS,
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [
      {
        name: 'the block',
        setup(b) {
          b.onResolve({ filter: /^the-block$/ }, () => ({ path: 'the-block', namespace: 'block' }));
          b.onLoad({ filter: /.*/, namespace: 'block' }, () => ({ contents: asComponent(source), resolveDir: here('.') }));
        },
      },
    ],
    logLevel: 'silent',
  });
  return outputFiles[0].text;
}
