// One run of scripts/dev, for the tests of one file.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { until } from './condition.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
/** The first start of a clone installs and builds everything. */
const START_LIMIT_MS = 900_000;
/** The stack itself gives sandboxes 30 s and each program 15 s. */
const STOP_LIMIT_MS = 75_000;
/** Lines of each log that a failure shows. */
const TAIL_LINES = 25;
/** What says nothing about a failure: the supervisor's look at its own health, polls, and each request a second time. */
const NOISE = /"\/health"|\/status","query"|^\[wrangler:info\] [A-Z]+ \//;

/**
 * @typedef {object} Person
 * @property {string} id
 * @property {string} name
 * @property {string} token
 */

/** A stack that answers. */
export class Stack {
  #child;
  #folder;
  #onExit = () => this.#child.kill('SIGTERM');

  constructor(child, folder) {
    this.#child = child;
    this.#folder = folder;
    // Whatever ends this process takes the stack along.
    process.once('exit', this.#onExit);
  }

  /**
   * Starts one and waits until it answers.
   * @param {string[]} options of scripts/dev, beside those that every test wants
   * @returns {Promise<Stack>}
   */
  static async start(options) {
    const folder = mkdtempSync(join(tmpdir(), 'molt-ui-'));
    const log = openSync(join(folder, 'dev.log'), 'a');
    const own = ['--port', '0', '--no-open', '--state-dir', join(folder, 's'), '--ready-file', join(folder, 'ready.json')];
    // For somebody who has just built, or who must not build.
    if (process.env.MOLT_E2E_NO_BUILD) own.push('--no-build');
    // The kernel stops the stack as well when this process is killed and can do nothing any more.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', join(ROOT, 'scripts/dev'), ...own, ...options], {
      cwd: ROOT,
      stdio: ['ignore', log, log],
      // Ctrl-C in a terminal is for the test, which then stops the stack in order.
      detached: true,
    });
    let problem;
    child.once('error', (error) => (problem = error));
    const stack = new Stack(child, folder);
    try {
      await until('the stack is ready', START_LIMIT_MS, () => {
        if (problem) throw problem;
        if (!stack.#runs()) throw new Error(`scripts/dev ended with ${child.exitCode ?? child.signalCode}`);
        return existsSync(join(folder, 'ready.json'));
      });
    } catch (error) {
      const tail = stack.tail();
      await stack.stop().catch(() => undefined);
      throw new Error(`${error.message}\n${tail}`, { cause: error });
    }
    Object.assign(stack, JSON.parse(readFileSync(join(folder, 'ready.json'), 'utf8')));
    return stack;
  }

  /**
   * @param {string} name first name of a seeded person
   * @returns {Person}
   */
  person(name) {
    const found = this.users.find((user) => user.name === name);
    if (!found) throw new Error(`the stack has no ${name}`);
    return found;
  }

  /** Every secret of the stack: texts that no page may show. @returns {string[]} */
  secrets() {
    const texts = (value) => (typeof value === 'string' ? [value] : value && typeof value === 'object' ? Object.values(value).flatMap(texts) : []);
    const stored = texts(JSON.parse(readFileSync(join(this.stateDir, 'secrets.json'), 'utf8')));
    // Names of keys are short; what is worth hiding is not.
    return [...stored, this.adminSecret, ...this.users.map((user) => user.token)].filter((text) => text.length >= 16);
  }

  /** The end of what the stack and its programs wrote. @returns {string} */
  tail() {
    const logs = ['dev.log', 's/logs/engine.log', 's/logs/workers.log'].map((name) => join(this.#folder, name));
    return logs
      .filter((path) => existsSync(path))
      .map((path) => {
        const lines = readFileSync(path, 'utf8').split('\n').filter((line) => line && !NOISE.test(line));
        return [`--- end of ${path}`, ...lines.slice(-TAIL_LINES)].join('\n');
      })
      .join('\n');
  }

  /** Stops it in order and removes its state. @throws {Error} when it does not end, or ends with another code than 0 */
  async stop() {
    process.removeListener('exit', this.#onExit);
    let late = false;
    if (this.#runs()) {
      this.#child.kill('SIGTERM');
      const kill = setTimeout(() => {
        late = true;
        this.#child.kill('SIGKILL');
      }, STOP_LIMIT_MS);
      await once(this.#child, 'exit');
      clearTimeout(kill);
    }
    const leaked = this.#leaked();
    const tail = late || this.#child.exitCode !== 0 ? this.tail() : '';
    rmSync(this.#folder, { recursive: true, force: true });
    if (late) throw new Error(`the stack did not end within ${STOP_LIMIT_MS} ms after TERM\n${tail}`);
    if (tail) throw new Error(`the stack ended with ${this.#child.exitCode ?? this.#child.signalCode}\n${tail}`);
    if (leaked.length) throw new Error(`secrets of the stack are in its logs: ${leaked.join(', ')}`);
  }

  /** Logs in which a secret of the stack stands, or the signature of a token alone. A stack that never became ready has used none. */
  #leaked() {
    if (!this.stateDir) return [];
    const parts = (text) => (text.startsWith('eyJ') ? [text, ...text.split('.').slice(1)] : [text]);
    const secrets = this.secrets().flatMap(parts).filter((text) => text.length >= 16);
    const logs = readdirSync(this.#folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && (entry.name.includes('.log') || entry.parentPath.endsWith('logs')))
      .map((entry) => join(entry.parentPath, entry.name));
    return logs.filter((log) => {
      const text = readFileSync(log, 'utf8');
      return secrets.some((secret) => text.includes(secret));
    });
  }

  #runs() {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }
}
