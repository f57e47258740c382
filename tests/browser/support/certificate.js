import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Makes certificates. */
export const OPENSSL = ['/usr/bin/openssl', '/usr/local/bin/openssl'].find(existsSync) ?? null;

/** @typedef {{certificate: string, key: string, flags: string[], remove: () => void}} Certificate paths, and what has Chromium trust it */

/**
 * A certificate of nobody's but this test's.
 * @param {string[]} names addresses and names it is for
 * @returns {Certificate}
 */
export function makeCertificate(names) {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
  const [certificate, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  const of = names.map((name) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`)).join();
  execFileSync(OPENSSL ?? 'openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=enfilade', '-addext', `subjectAltName=${of}`,
    '-keyout', key, '-out', certificate,
  ], { stdio: 'ignore' });
  const spki = new X509Certificate(readFileSync(certificate)).publicKey.export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(spki).digest('base64');
  // The tests' own requests trust it, too.
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  return { certificate, key, flags: [`--ignore-certificate-errors-spki-list=${hash}`], remove: () => rmSync(folder, { recursive: true, force: true }) };
}
