// Runs `molt migrate` as a script of its own name: arguments, signals, output and exit code are the program's.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('operate.sh', import.meta.url));

/**
 * @param {string[]} command words of `molt migrate` that the script stands for
 * @param {string} help what is said before the program's own help
 * @returns {Promise<number>} its exit code, 128 and the signal's number when a signal ended it
 */
export function operate(command, help) {
  const given = process.argv.slice(2);
  if (given.includes('--help') || given.includes('-h')) console.log(`${help}\n`);
  const program = spawn(PROGRAM, [...command, ...given], { stdio: 'inherit' });
  // From a terminal a signal reaches the program as well; it takes two within a second for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => program.kill(signal));
  return new Promise((resolve, reject) => {
    program.on('error', reject);
    program.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

/**
 * Says what comes next, to somebody who has really done it.
 * @param {number} code exit code of the program
 * @param {string[]} lines
 */
export function suggest(code, lines) {
  const only = ['--help', '-h', '--dry-run'].some((option) => process.argv.includes(option));
  if (code === 0 && !only) for (const line of lines) console.error(line);
}
