// What a person sees while his sandbox is not ready: progress, failure, sleep, a restart, with and without scripts.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { assertAccessible } from './accessible.mjs';
import { exec } from './admin_exec.mjs';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { scenes } from './scene.mjs';
import { Stack } from './stack.mjs';
import { breakAgent, stall } from './stalled_agent.mjs';

const PAGE_MS = 10_000;
/** A start on two busy cores; five of the agent's in a row before one is given up. */
const START_MS = 60_000;
const FAILURE_MS = 90_000;
const TEST_MS = 240_000;
const COOKIE = 'sb-access-token';
const AGENT = 'Echo agent';

describe('a sandbox that is not ready', () => {
  let stack, browser;

  before(async () => {
    browser = await Browser.start();
    console.log(`screenshots: ${browser.artifacts}`);
    // Sleeps soon, for the one who is to be seen asleep; requests and commands keep the others awake.
    stack = await Stack.start(['--agent', 'echo', '--limits', 'test', '--var', 'container-gateway.IDLE_SLEEP_SECONDS=60']);
  });

  after(async () => {
    const ends = await Promise.allSettled([browser?.close(), stack?.stop()]);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  });

  const scene = scenes(TEST_MS, () => ({ browser, stack }));

  /** A browser in which this person is signed in. */
  async function visitor(person, options) {
    const one = await browser.visitor(options);
    await one.context.addCookies([{ name: COOKIE, value: person.token, url: stack.url, httpOnly: true, sameSite: 'Lax' }]);
    one.navigations = 0;
    one.page.on('framenavigated', (frame) => (one.navigations += frame === one.page.mainFrame() ? 1 : 0));
    return one;
  }
  const shown = (locator, timeout = PAGE_MS) => locator.waitFor({ state: 'visible', timeout });
  const agent = (page) => shown(page.getByRole('heading', { name: AGENT }), START_MS);
  const awake = (person) => exec(stack, person, 'true');
  async function progress(person) {
    const response = await fetch(`${stack.url}/_molt/boot`, { headers: { authorization: `Bearer ${person.token}` } });
    return response.json();
  }

  scene('progress is shown as it happens, and the agent opens by itself where it was asked for', async () => {
    const ada = stack.person('Ada');
    await awake(ada);
    // How long its agent takes is measured once it has come back; a first start may be too quick for that.
    (await stall(stack, ada))();
    await until('the agent is back', START_MS, async () => (await progress(ada)).lifecycle === 'running');
    const goOn = await stall(stack, ada);
    const one = await visitor(ada);
    const { page, watch } = one;
    const response = await page.goto(`${stack.url}/?x=1&y=%20z#part`, { timeout: PAGE_MS });
    assert.equal(response.status(), 503);
    const current = page.locator('[aria-current=step]');
    await shown(current.filter({ hasText: 'Start your agent' }));
    await shown(page.getByRole('progressbar'));
    assert.equal(await page.getByRole('listitem').count(), 3);
    assert.match(await page.getByRole('status').first().innerText(), /agent is starting/);
    assert.match(await page.title(), /^(Opening your sandbox|Restarting your agent) · Moltworker$/);
    // What is usual was measured in this sandbox; the time goes on.
    await shown(page.getByText(/^[2-9]\d* s so far, usually \d+ s$/));
    assert.equal(await page.getByText('Try again').count(), 0, 'nothing has failed');
    await browser.keep(page, 'boot-1-progress');
    await assertAccessible(page);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    assert.equal(await page.getByRole('progressbar').evaluate((bar) => getComputedStyle(bar).animationName), 'none');
    const before = one.navigations;
    goOn();
    await agent(page);
    await browser.keep(page, 'boot-2-agent');
    assert.equal(page.url(), `${stack.url}/?x=1&y=%20z#part`);
    assert.equal(one.navigations - before, 1, 'it was loaded more than once');
    assert.equal(watch.addresses.filter((address) => address.includes('/_molt/boot/events')).length, 1);
    assert.deepEqual(watch.problems, []);
    await one.context.close();
  });

  scene('a lost connection is said, and the page goes on by itself', async () => {
    const ada = stack.person('Ada');
    const goOn = await stall(stack, ada);
    const { page, context } = await visitor(ada);
    await page.route('**/_molt/boot**', (route) => route.abort());
    await page.goto(stack.url, { timeout: PAGE_MS });
    await shown(page.getByText('The connection was lost. Trying again…'));
    await browser.keep(page, 'boot-3-connection-lost');
    await page.unroute('**/_molt/boot**');
    await page.getByText('The connection was lost').waitFor({ state: 'hidden', timeout: START_MS });
    goOn();
    await agent(page);
    await context.close();
  });

  scene('without events it asks instead', async () => {
    const ada = stack.person('Ada');
    const goOn = await stall(stack, ada);
    const { page, context } = await visitor(ada);
    await page.route('**/_molt/boot/events**', (route) => route.fulfill({ status: 429, body: '{}' }));
    await page.goto(stack.url, { timeout: PAGE_MS });
    await shown(page.locator('[aria-current=step]'));
    goOn();
    await agent(page);
    await context.close();
  });

  scene('without scripts it refreshes until the agent is there', async () => {
    const ben = stack.person('Ben');
    await awake(ben);
    const goOn = await stall(stack, ben);
    const { page, context } = await visitor(ben, { javaScriptEnabled: false });
    await page.goto(`${stack.url}/?x=1`, { timeout: PAGE_MS });
    await shown(page.locator('[aria-current=step]'));
    await browser.keep(page, 'boot-4-without-scripts');
    goOn();
    await agent(page);
    assert.equal(page.url(), `${stack.url}/?x=1`);
    await context.close();
  });

  scene('a start that failed says why, and a later try opens the agent', async () => {
    const ben = stack.person('Ben');
    await awake(ben);
    const mend = breakAgent(stack, ben);
    // One whose tries by itself are used up, and one who does nothing.
    const [used, idle] = [await visitor(ben), await visitor(ben)];
    await used.page.addInitScript(() => {
      sessionStorage.setItem('molt-boot-tries', JSON.stringify([Date.now(), Date.now(), Date.now()]));
    });
    const { page } = used;
    try {
      for (const one of [used, idle]) {
        await until('somebody meets the broken agent', START_MS, async () => (await one.page.goto(stack.url, { timeout: PAGE_MS })).status() === 503);
      }
      const failure = page.getByRole('heading', { name: 'Your sandbox could not be started' });
      await until('the start has failed', FAILURE_MS, async () => {
        // An agent that lived for a moment was opened.
        if (await page.getByRole('heading', { name: AGENT }).isVisible()) await page.reload({ timeout: PAGE_MS }).catch(() => undefined);
        return failure.isVisible();
      });
    } finally {
      mend();
    }
    assert.match(await page.title(), /^Your sandbox could not be started/);
    assert.match(await page.locator('#cause').innerText(), /SIGKILL|signal/);
    // The log stands below it.
    assert.doesNotMatch(await page.locator('#cause').innerText(), /last lines/);
    await shown(page.getByText(/^It can be tried again/));
    await shown(page.getByRole('link', { name: 'Try again now' }));
    await shown(page.getByRole('link', { name: 'Restart your agent' }));
    // Whoever uses the keyboard is where it is said.
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'text');
    await browser.keep(page, 'boot-5-failure');
    await assertAccessible(page);
    // Nobody breaks the next one: it opens without being touched, and for the other one at a touch of the keyboard.
    await agent(idle.page);
    await page.getByRole('link', { name: 'Try again now' }).press('Enter');
    await agent(page);
    await used.context.close();
    await idle.context.close();
  });

  scene('a person restarts his agent and comes back to it', async () => {
    const ada = stack.person('Ada');
    await awake(ada);
    const { page, context, watch } = await visitor(ada);
    await page.goto(`${stack.url}/_molt/restart`, { timeout: PAGE_MS });
    await shown(page.getByRole('heading', { name: 'Restart your agent' }));
    await browser.keep(page, 'boot-6-restart');
    await assertAccessible(page);
    await page.getByRole('button', { name: 'Restart your agent' }).click({ timeout: PAGE_MS });
    await agent(page);
    assert.equal(page.url(), `${stack.url}/`);
    assert.deepEqual(watch.problems, []);
    await context.close();
  });

  scene('a sandbox that sleeps is woken by its page, which says so', async () => {
    const ben = stack.person('Ben');
    await awake(ben);
    await until('it sleeps', 150_000, async () => (await progress(ben)).lifecycle === 'sleeping');
    const { page, context } = await visitor(ben);
    await page.goto(stack.url, { timeout: PAGE_MS, waitUntil: 'commit' });
    await shown(page.getByRole('heading', { name: 'Waking your sandbox' }));
    await browser.keep(page, 'boot-7-sleeping');
    await agent(page);
    await context.close();
  });
});
