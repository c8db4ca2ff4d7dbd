// Agents that do not come up: stopped where they stand, or killed as often as they begin. Their processes are processes of this machine.

import { readFileSync, readdirSync } from 'node:fs';
import { until } from './condition.mjs';

const LIMIT_MS = 60_000;

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Whether the process or one above it was started for this person, by the engine of this stack: seeded people have the same ids in every stack. */
function belongs(pid, stack, person) {
  const engine = `${stack.stateDir}/run/engine.sock`;
  let owned = false;
  for (let at = pid; at > 1; ) {
    if (read(`/proc/${at}/cmdline`).split('\0').includes(engine)) return owned;
    owned ||= read(`/proc/${at}/environ`).split('\0').includes(`MOLT_OWNER=${person.id}`);
    at = Number(read(`/proc/${at}/stat`).split(') ').at(-1).split(' ')[1] ?? 0);
  }
  return false;
}

/** Numbers of the person's echo agents in this stack. */
function agents(stack, person) {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((pid) => read(`/proc/${pid}/cmdline`).split('\0')[1] === 'echo-agent' && belongs(pid, stack, person));
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Stops the person's running agent where it stands, and waits until it is known not to answer; a function that lets it go on. */
export async function stall(stack, person) {
  const headers = { authorization: `Bearer ${person.token}` };
  const stopped = await until('the agent is there', LIMIT_MS, () => {
    const found = agents(stack, person);
    return found.length > 0 && found;
  });
  stopped.forEach((pid) => signal(pid, 'SIGSTOP'));
  await until('the agent is seen not to answer', LIMIT_MS, async () => {
    // Somebody notices only when somebody asks; what it had accepted before is not answered at all.
    const asked = fetch(stack.url, { headers: { ...headers, accept: 'text/html' }, redirect: 'manual', signal: AbortSignal.timeout(3_000) });
    const refused = await asked.then((response) => response.status === 503, () => false);
    const { lifecycle, cause } = await (await fetch(`${stack.url}/_molt/boot`, { headers })).json();
    // With a cause it is only doubted until somebody has looked.
    return refused && lifecycle === 'starting' && !cause;
  });
  return () => stopped.forEach((pid) => signal(pid, 'SIGCONT'));
}

/** Kills the person's agent as often as it begins; a function that ends this. */
export function breakAgent(stack, person) {
  const timer = setInterval(() => agents(stack, person).forEach((pid) => signal(pid, 'SIGKILL')), 50);
  return () => clearInterval(timer);
}
