// Agents that do not come up: stopped where they stand, or killed as often as they begin. Their processes are processes of this machine.

import { readFileSync, readdirSync } from 'node:fs';
import { setImmediate as next } from 'node:timers/promises';
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

/** Replaces the person's agent by one that never answers; a function that lets it go on. */
export async function stall(stack, person) {
  const headers = { authorization: `Bearer ${person.token}` };
  const starting = async () => (await (await fetch(`${stack.url}/_molt/boot`, { headers })).json()).lifecycle === 'starting';
  return until('an agent that does not answer', LIMIT_MS, async () => {
    const before = agents(stack, person);
    before.forEach((pid) => signal(pid, 'SIGKILL'));
    const deadline = performance.now() + LIMIT_MS;
    let now = [];
    // Without a pause: it is to be stopped before it has answered anything.
    while (now.length === 0 && performance.now() < deadline) {
      await next();
      now = agents(stack, person).filter((pid) => !before.includes(pid));
    }
    now.forEach((pid) => signal(pid, 'SIGSTOP'));
    // Somebody notices only when somebody asks.
    const notices = () => {
      const asked = fetch(stack.url, { headers: { ...headers, accept: 'text/html' }, redirect: 'manual', signal: AbortSignal.timeout(3_000) });
      return asked.then((response) => response.status === 503, () => false);
    };
    // The first answer may be about the one that was killed.
    const stands = () => now.length > 0 && agents(stack, person).every((pid) => now.includes(pid));
    if ((await notices()) && (await starting()) && (await notices()) && stands() && (await starting())) return () => now.forEach((pid) => signal(pid, 'SIGCONT'));
    now.forEach((pid) => signal(pid, 'SIGCONT'));
    return null;
  });
}

/** Kills the person's agent as often as it begins; a function that ends this. */
export function breakAgent(stack, person) {
  const timer = setInterval(() => agents(stack, person).forEach((pid) => signal(pid, 'SIGKILL')), 50);
  return () => clearInterval(timer);
}
