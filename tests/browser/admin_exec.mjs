// Commands in a person's sandbox, run as an operator runs them: through the admin API.

import { until } from './condition.mjs';

/** What starts the sandbox counts as well. */
const LIMIT_MS = 60_000;

/**
 * Runs a command to its end and returns what it wrote to standard output.
 * @param {import('./stack.mjs').Stack} stack
 * @param {import('./stack.mjs').Person} person whose sandbox
 * @param {string} command line for /bin/sh
 * @param {string} [stdin] the place for what may be in no command line, such as keys
 * @returns {Promise<string>}
 * @throws {Error} when it does not end with 0
 */
export async function exec(stack, person, command, stdin) {
  const headers = { 'x-admin-secret': stack.adminSecret, 'content-type': 'application/json' };
  const ask = async (path, init) => {
    const response = await fetch(stack.url + path, { ...init, headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return JSON.parse(text);
  };
  const body = JSON.stringify({ command, stdin, timeoutMs: LIMIT_MS });
  const { pollUrl } = await ask(`/api/super/users/${person.id}/exec`, { method: 'POST', body });
  const ended = await until(`\`${command}\` ended`, LIMIT_MS, async () => {
    const status = await ask(pollUrl);
    return status.completedAt ? status : null;
  });
  if (ended.state !== 'succeeded') {
    throw new Error(`\`${command}\` ${ended.state} (exit code ${ended.exitCode}, ${ended.error})\n${ended.stdout}${ended.stderr}`);
  }
  return ended.stdout;
}
