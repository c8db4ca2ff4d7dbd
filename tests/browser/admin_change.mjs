// Changes of a person's sandbox, asked for as an operator does: through the admin API, each to its end.

import { until } from './condition.mjs';

/** A stop that saves, and a start that restores. */
const LIMIT_MS = 180_000;

/**
 * Asks for a change and waits for its end.
 * @param {import('./stack.mjs').Stack} stack
 * @param {import('./stack.mjs').Person} person whose sandbox
 * @param {string} method
 * @param {string} verb below the person's path
 * @param {object} [body]
 * @returns {Promise<object>} the job
 * @throws {Error} when it is refused or does not succeed
 */
export async function change(stack, person, method, verb, body = {}) {
  const headers = { 'x-admin-secret': stack.adminSecret, 'content-type': 'application/json' };
  const ask = async (path, init) => {
    const response = await fetch(stack.url + path, { ...init, headers });
    return [response.status, await response.json()];
  };
  const path = `/api/super/users/${person.id}/${verb}`;
  let [status, answer] = await ask(path, { method, body: JSON.stringify(body) });
  // What cannot be undone is asked for twice.
  if (answer.code === 'confirmation_required') [status, answer] = await ask(path, { method, body: JSON.stringify({ ...body, confirm: answer.confirm }) });
  if (status !== 202) throw new Error(`${verb} was answered ${status}: ${JSON.stringify(answer)}`);
  const ended = await until(`${verb} ended`, LIMIT_MS, async () => {
    const [, job] = await ask(`/api/super/jobs/${answer.jobId}`);
    return job.completedAt ? job : null;
  });
  if (ended.state !== 'succeeded') throw new Error(`${verb} ${ended.state}: ${ended.error}`);
  return ended;
}
