// Tokens as the identity provider issues them, for sessions that end when a test wants it.

import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const encode = (value) => Buffer.from(value).toString('base64url');
const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());

/**
 * A token like one that the stack issued, with another end.
 * @param {import('./stack.mjs').Stack} stack
 * @param {string} like a token of the person
 * @param {{endsInS: number, session?: string, claims?: object}} options `session` is a new one unless it is given; `claims` stand instead of the like ones
 * @returns {string}
 */
export function tokenLike(stack, like, { endsInS, session = randomUUID(), claims: others = {} }) {
  const secret = JSON.parse(readFileSync(join(stack.stateDir, 'secrets.json'), 'utf8')).SUPABASE_JWT_SECRET;
  const [header, claims] = like.split('.').slice(0, 2).map(decode);
  const exp = Math.floor(Date.now() / 1000) + endsInS;
  const signed = [header, { ...claims, exp, session_id: session, ...others }].map((part) => encode(JSON.stringify(part))).join('.');
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/**
 * Somebody whom the platform has never seen.
 * @param {import('./stack.mjs').Stack} stack
 * @returns {import('./stack.mjs').Person}
 */
export function newPerson(stack) {
  const [id, like] = [randomUUID(), stack.users[0].token];
  return { id, name: id, token: tokenLike(stack, like, { endsInS: 3600, claims: { sub: id, email: `${id}@example.test` } }) };
}
