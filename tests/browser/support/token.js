import { createHmac } from 'node:crypto';

/** The key of development mode (config/default.toml). */
const KEY = { id: 'development', secret: 'enfilade-development-secret-known-to-everybody' };

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * A token as an application would make it.
 * @param {{permissions: string[], room?: string, participant?: string}} claims
 */
export function token({ permissions, room, participant }) {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ apikey: KEY.id, version: 2, iat: now, exp: now + 600, permissions, roles: ['rtc'], roomId: room, participantId: participant })}`;
  return `${signed}.${createHmac('sha256', KEY.secret).update(signed).digest('base64url')}`;
}
