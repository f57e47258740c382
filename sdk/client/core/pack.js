/**
 * Session descriptions, small enough for the first packets of a connection: the offer of eight seats has 50 kB, nearly all of it
 * said sixteen times, and TCP sends 14 kB before it waits for an answer from far away.
 */

/** A text this short fits anyway. */
const LEAST = 2000;

/** @param {string} text @returns {Promise<string | null>} base64 of raw DEFLATE; null where it is not worth it, or the platform cannot */
export async function pack(text) {
  if (text.length < LEAST || typeof CompressionStream === 'undefined') return null;
  try {
    const bytes = new Uint8Array(await through(new TextEncoder().encode(text), new CompressionStream('deflate-raw')));
    let binary = '';
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return btoa(binary);
  } catch {
    return null; // a platform that has the class but not this format
  }
}

/** @param {string} base64 @returns {Promise<string>} what was packed */
export async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return new TextDecoder().decode(await through(bytes, new DecompressionStream('deflate-raw')));
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {CompressionStream | DecompressionStream} transform */
function through(bytes, transform) {
  return new Response(new Blob([bytes]).stream().pipeThrough(transform)).arrayBuffer();
}
