// How long a person waits: from a click to the first byte of the boot page, and from a click to the agent's connected page, beside the same agent
// started by hand on this machine with as much of its processors as a sandbox of tier 1 has: most of a start is the agent computing.
// Run by `scripts/bench boot`.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { ProcessorShare } from './processor_share.mjs';
import { Stack } from './stack.mjs';
import { newPerson } from './user_token.mjs';

const CLICKS = Number(process.env.MOLT_BENCH_CLICKS ?? 30);
const ROUNDS = Number(process.env.MOLT_BENCH_ROUNDS ?? 5);
const START_MS = 120_000;
/** Tier 1 (crates/local-engine/src/limits.rs). */
const PROCESSOR_MILLIS = 500;
const COOKIE = 'sb-access-token';
/** As sandboxd starts it (crates/sandboxd/src/agent/launch.rs). */
const ENVIRONMENT = { OPENCLAW_NO_RESPAWN: '1', OPENCLAW_NO_AUTO_UPDATE: '1', OPENCLAW_DISABLE_BONJOUR: '1' };

const rank = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const told = (values) => `median ${rank(values, 0.5).toFixed(0)} ms, p95 ${rank(values, 0.95).toFixed(0)} ms, longest ${Math.max(...values).toFixed(0)} ms`;

async function signedIn(browser, stack, person) {
  const one = await browser.visitor();
  await one.context.addCookies([{ name: COOKIE, value: person.token, url: stack.url, httpOnly: true, sameSite: 'Lax' }]);
  // A page of ours with a link to the agent.
  await one.page.goto(`${stack.url}/logout`);
  return one;
}

async function firstBytes(browser) {
  const stack = await Stack.start(['--agent', 'echo', '--limits', 'test']);
  const took = [];
  try {
    for (let n = 0; n < CLICKS; n += 1) {
      const { page, context } = await signedIn(browser, stack, newPerson(stack));
      await Promise.all([page.waitForURL(`${stack.url}/`, { waitUntil: 'commit' }), page.getByRole('link', { name: 'Back' }).click()]);
      const [status, ms] = await page.evaluate(() => {
        const [entry] = performance.getEntriesByType('navigation');
        return [entry.responseStatus, entry.responseStart - entry.startTime];
      });
      if (status !== 503) throw new Error(`the boot page was expected, and the answer was ${status}`);
      took.push(ms);
      await context.close();
    }
  } finally {
    await stack.stop();
  }
  return took;
}

/** From the click until the agent admits the page over its socket. */
async function throughThePlatform(browser, stack) {
  const { page, context, watch } = await signedIn(browser, stack, newPerson(stack));
  const begun = performance.now();
  await page.getByRole('link', { name: 'Back' }).click({ noWaitAfter: true });
  await until('the agent admitted the page', START_MS, () => watch.admitted.length > 0);
  const ms = performance.now() - begun;
  await context.close();
  return ms;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** The same from the command line: started, waited for as its own probe says, and opened. */
async function byHand(browser, share) {
  const home = mkdtempSync(join(tmpdir(), 'molt-by-hand-'));
  const port = await freePort();
  mkdirSync(join(home, '.openclaw'));
  const config = { gateway: { mode: 'local', port, bind: 'loopback', auth: { mode: 'none' } }, update: { checkOnStart: false } };
  writeFileSync(join(home, '.openclaw/openclaw.json'), JSON.stringify(config));
  const entry = join(process.env.MOLT_OPENCLAW, 'node_modules/openclaw/openclaw.mjs');
  const one = await browser.visitor();
  const begun = performance.now();
  const args = [entry, 'gateway', '--port', `${port}`, '--bind', 'loopback', '--allow-unconfigured'];
  const env = { PATH: process.env.PATH, HOME: home, ...ENVIRONMENT };
  const [program, words] = share.confined(process.env.MOLT_NODE, args);
  const child = spawn(program, words, { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  try {
    await until('it is ready', START_MS, async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output}`);
      return fetch(`http://127.0.0.1:${port}/readyz`).then((response) => response.ok, () => false);
    });
    await one.page.goto(`http://127.0.0.1:${port}/`, { waitUntil: 'commit' });
    await until('it admitted the page', START_MS, () => one.watch.admitted.length > 0);
    return performance.now() - begun;
  } catch (error) {
    throw new Error(`${error.message}\n${output.slice(-2000)}`, { cause: error });
  } finally {
    await one.context.close();
    child.kill('SIGKILL');
    await once(child, 'exit');
    rmSync(home, { recursive: true, force: true });
  }
}

const browser = await Browser.start();
try {
  const bytes = await firstBytes(browser);
  console.log(`first byte of the boot page, ${CLICKS} clicks: ${told(bytes)}`);
  const stack = await Stack.start(['--agent', 'openclaw', '--limits', 'test']);
  const [platform, hand] = [[], []];
  const half = new ProcessorShare(PROCESSOR_MILLIS);
  try {
    // By turns, so that whatever else the machine does meets both.
    for (let round = 0; round < ROUNDS; round += 1) {
      hand.push(await byHand(browser, half));
      platform.push(await throughThePlatform(browser, stack));
      console.log(`round ${round + 1}: by hand ${hand.at(-1).toFixed(0)} ms, through the platform ${platform.at(-1).toFixed(0)} ms`);
    }
  } finally {
    await stack.stop();
    await half.remove();
  }
  const share = rank(platform, 0.5) / rank(hand, 0.5) - 1;
  console.log(`connected page by hand: ${told(hand)}`);
  console.log(`connected page through the platform: ${told(platform)}: ${(share * 100).toFixed(1)} % more`);
  if (rank(bytes, 0.5) > 100 || share > 0.15) process.exitCode = 1;
} finally {
  await browser.close();
}
