import test from 'node:test';
import { CHROMIUM, FIREFOX, LAUNCH } from './browsers.js';
import { Caller } from './caller.js';
import { startProxy } from './proxy.js';
import { binary, startServer } from './server.js';

/** What a test needs and this machine lacks; on CI that is a failure, elsewhere a reason to skip. @param {("chromium" | "firefox")[]} browsers */
export function lacking(browsers) {
  if (!binary()) return 'the server was not built (cargo build)';
  if (browsers.includes('chromium') && !CHROMIUM) return 'Chromium is not installed';
  if (browsers.includes('firefox') && !FIREFOX) return 'Firefox is not installed';
  return null;
}

/**
 * A test with a server and browsers of its own.
 * @param {string} name
 * @param {{browsers?: ('chromium' | 'firefox')[], proxy?: boolean, timeout?: number, env?: Record<string, string>, tls?: import('./certificate.js').Certificate}} options env: of the server; tls: what it shows,
 *   and Chromium trusts
 * @param {(scene: Awaited<ReturnType<typeof setUp>>, t: import("node:test").TestContext) => Promise<void>} run
 */
export function scene(name, { browsers = ['chromium'], proxy = false, timeout = 120_000, env = {}, tls }, run) {
  const why = lacking(browsers);
  test(name, { timeout, skip: why && !process.env.CI ? why : false }, async (t) => {
    if (why) throw new Error(why);
    const stage = await setUp(browsers, proxy, env, tls);
    try {
      await run(stage, t);
    } catch (error) {
      t.diagnostic(stage.server.output());
      throw error;
    } finally {
      await stage.tearDown();
    }
  });
}

/**
 * @param {('chromium' | 'firefox')[]} browsers
 * @param {boolean} withProxy
 * @param {Record<string, string>} env
 * @param {import('./certificate.js').Certificate} [tls]
 */
async function setUp(browsers, withProxy, env, tls) {
  const server = await startServer({ env, tls });
  const proxy = withProxy ? await startProxy(server.port) : null;
  /** @type {Record<string, import('puppeteer-core').Browser>} */
  const running = {};
  const tearDown = async () => {
    await Promise.allSettled(Object.values(running).map((b) => b.close()));
    proxy?.close();
    await server.stop();
  };
  try {
    for (const name of browsers) running[name] = await (tls && name === 'chromium' ? LAUNCH.chromium(tls.flags) : LAUNCH[name]());
  } catch (error) {
    await tearDown();
    throw error;
  }
  return {
    server,
    proxy,
    browsers: running,
    /** Somebody new, not joined yet. @param {string} name @param {{browser?: string, url?: string}} [how] */
    caller: (name, { browser = browsers[0], url = server.url } = {}) => Caller.open(running[browser], url, name),
    tearDown,
  };
}

export const HD = { width: 1280, height: 720 };
export const SMALL = { width: 640, height: 360 };
