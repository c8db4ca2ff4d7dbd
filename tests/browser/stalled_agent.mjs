// Agents that do not come up: stopped where they stand, or killed as often as they begin. From inside their sandbox, as they might do it themselves.

import { exec } from './admin_exec.mjs';

/** Sets `p` to the number of the echo agent, or to nothing. */
const FIND = `find() { p=; for d in /proc/[0-9]*; do [ "$(tr '\\0' '\\n' <"$d/cmdline" | sed -n 2p)" = echo-agent ] && p=\${d#/proc/}; done 2>/dev/null; }`;

/** Replaces the agent by one that never answers. */
export async function stall(stack, person) {
  const script = `${FIND}; find; old=$p; kill -KILL "$old"; while find; [ -z "$p" ] || [ "$p" = "$old" ]; do :; done; kill -STOP "$p"; echo "$p"`;
  return (await exec(stack, person, script)).trim();
}

/** Lets a stalled agent go on. */
export async function goOn(stack, person, pid) {
  await exec(stack, person, `kill -CONT ${pid}`);
}

/** Kills the agent as often as it begins, until its container ends. */
export async function breakAgent(stack, person) {
  const loop = `${FIND}; while :; do find; [ -n "$p" ] && kill -KILL "$p"; sleep 0.05; done`;
  await exec(stack, person, `printf '%s\\n' "$LOOP" >/tmp/break.sh; setsid sh /tmp/break.sh >/dev/null 2>&1 </dev/null &`.replace('"$LOOP"', `'${loop.replaceAll("'", `'\\''`)}'`));
}
