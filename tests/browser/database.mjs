// SQL on a stack's database, for what an operator does.

import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const SCRIPT = `. scripts/lib/env.sh; export HOME="$4"; exec "$MOLT_NODE" --no-warnings "$MOLT_WRANGLER" d1 execute moltworker-platform \
  --local --yes --persist-to="$1" -c "$2" --command="$3"`;

/**
 * Runs SQL on the local D1 database of a running stack.
 * @param {import('./stack.mjs').Stack} stack
 * @param {string} sql
 */
export async function sql(stack, sql) {
  const place = [join(stack.stateDir, 'workers'), join(stack.stateDir, 'wrangler/admin/wrangler.json')];
  const env = { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' };
  await promisify(execFile)('bash', ['-c', SCRIPT, 'sql', ...place, sql, join(stack.stateDir, 'home')], { cwd: ROOT, env });
}
