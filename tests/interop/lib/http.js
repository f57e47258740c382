/** WHIP (RFC 9725) and WHEP: one request makes a resource, another ends it. */

/**
 * @param {string} address of WHIP or WHEP
 * @param {string} token
 * @param {string} sdp the offer
 * @returns {Promise<{sdp: string, end: () => Promise<void>}>} the answer
 */
export async function post(address, token, sdp) {
  const authorization = `Bearer ${token}`;
  const made = await fetch(address, { method: 'POST', headers: { authorization, 'content-type': 'application/sdp' }, body: sdp });
  const text = await made.text();
  if (made.status !== 201) throw new Error(`${address} was refused with ${made.status}: ${text}`);
  const resource = new URL(made.headers.get('location') ?? '', address);
  return {
    sdp: text,
    end: async () => {
      await fetch(resource, { method: 'DELETE', headers: { authorization } });
    },
  };
}
