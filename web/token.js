/** A token given with the link: `#token=…`. It stays in the fragment, which no server sees. */
export function tokenFromLink() {
  return new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
}

/**
 * A development server hands out tokens; any other says that it does not.
 * @param {string} room
 * @param {string} [participant] the only one it is good for; absent: whoever brings it
 * @returns {Promise<string | null>} null: a token is needed from elsewhere
 */
export async function developmentToken(room, participant) {
  const answer = await fetch('/v1/dev/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ room, participant }),
  }).catch(() => {
    throw Object.assign(new Error('The server cannot be reached.'), { code: 'connect-failed' });
  });
  if (answer.ok) return (await answer.json()).token;
  if (answer.status === 404 || answer.status === 403 || answer.status === 405) return null;
  throw new Error(answer.status === 400 ? 'The server does not accept this name of a room. Try letters, digits and dashes.' : `The server refused to let you in (${answer.status}). Try again in a moment.`);
}
