// The whole way of a person: from a browser that nobody knows to an answer of the agent, with the real agent in real sandboxes.
// The tests tell one story in order; each says what it needs of those before.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { ANSWER_PREFIX, ASK_PREFIX } from '../fixtures/model-stub/chat_completion.mjs';
import { startModelStub } from '../fixtures/model-stub/server.mjs';
import { exec } from './admin_exec.mjs';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { HOST, useModelStub } from './model_provider.mjs';
import { scenes } from './scene.mjs';
import { Stack } from './stack.mjs';

/** A page of ours, or one that the agent has at hand. */
const PAGE_MS = 10_000;
/** A sandbox from nothing to an agent that admits traffic, on two busy cores. */
const START_MS = 60_000;
/** A first turn, for which the agent loads what it needs. */
const TURN_MS = 60_000;
/** The agent's start, and until its page has heard of it. */
const RECONNECT_MS = 60_000;
/** What the platform promises: a page is back this soon after its agent is ready again. */
const BACK_MS = 2_000;
/** More than all deadlines of one test together: those say what went wrong, this only ends. */
const TEST_MS = 240_000;

const apiKey = `key-${randomBytes(16).toString('hex')}`;
const unique = () => randomBytes(6).toString('hex');

describe('a person and the agent', () => {
  let stub, stack, browser, ada;
  const adasWords = `ada-${unique()}`;
  /** Everything that ever was a page, for what must hold on all of them. */
  const visitors = [];

  before(async () => {
    stub = await startModelStub({ apiKey });
    browser = await Browser.start();
    console.log(`screenshots: ${browser.artifacts}`);
    stack = await Stack.start(['--agent', 'openclaw', '--limits', 'test', '--allow-host', `${HOST}=127.0.0.1:${stub.port}`]);
  });

  after(async () => {
    const ends = await Promise.allSettled([browser?.close(), stack?.stop(), stub?.close()]);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  });

  const scene = scenes(TEST_MS, () => ({ browser, stack }));

  /** Takes a page among those that are looked at in the end. */
  async function noted(opening) {
    const one = await opening;
    visitors.push(one);
    return one;
  }
  const visitor = (options) => noted(browser.visitor(options));

  /** Chooses a person on the sign-in page. */
  async function signIn(page, name) {
    const answered = page.waitForResponse((response) => response.request().method() === 'POST', { timeout: PAGE_MS });
    const [response] = await Promise.all([answered, page.getByRole('button', { name: `Continue as ${name}` }).click({ timeout: PAGE_MS })]);
    assert.equal(response.status(), 303, `signing in was answered ${response.status()}`);
  }

  const shown = (locator, timeout = PAGE_MS) => locator.waitFor({ state: 'visible', timeout });
  /** Until the agent's page says so itself, in a place for screen readers. */
  const connected = (page) =>
    page.getByRole('status').filter({ hasText: /^\s*Connected\s*$/ }).waitFor({ state: 'attached', timeout: PAGE_MS });

  /** Kills the agent's process from inside its sandbox, as it might do itself, and waits until it is gone. */
  async function killAgent(name) {
    const kill = 'kill -KILL "${p#/proc/}" && while [ -e "$p" ]; do sleep 0.02; done && echo killed';
    const find = `case "$(tr "\\0" " " <"$p/cmdline")" in openclaw-gateway*) ${kill};; esac`;
    const said = await exec(stack, stack.person(name), `for p in /proc/[0-9]*; do ${find}; done 2>/dev/null`);
    assert.match(said, /killed/, 'no process of the agent was found');
  }

  /**
   * Says something in the chat and waits until the page shows the model's answer to it. The agent gives up a turn that meets a reload of
   * its configuration and says so; a person says it again, at most twice.
   */
  async function say(page, text) {
    const log = page.getByRole('log');
    const answer = log.getByText(ANSWER_PREFIX + text).first();
    const givenUp = log.getByText('ConfigReplacedError');
    const composer = page.getByRole('textbox', { name: 'Chat composer' });
    for (let turn = 1; turn <= 3; turn += 1) {
      const before = await givenUp.count();
      await composer.fill(ASK_PREFIX + text, { timeout: PAGE_MS });
      await composer.press('Enter');
      await until('the turn has ended', TURN_MS, async () => (await answer.isVisible()) || (await givenUp.count()) > before);
      if (await answer.isVisible()) return;
    }
    assert.fail('the agent gave three turns up');
  }

  scene('an unknown visitor is sent to the sign-in page, which lists both people', async () => {
    const { page, context } = await visitor();
    await page.goto(`${stack.url}/chat/main`, { timeout: PAGE_MS });
    const { pathname, searchParams } = new URL(page.url());
    assert.equal(pathname, '/login');
    assert.equal(searchParams.get('next'), '/chat/main');
    const offers = await page.getByRole('button').allInnerTexts();
    assert.deepEqual(offers.map((text) => text.replace(/\s+/g, ' ')), ['Continue as Ada ada@example.test', 'Continue as Ben ben@example.test']);
    await browser.keep(page, '1-sign-in');
    await context.close();
  });

  scene('signing in shows the boot page and then, by itself, the agent', async () => {
    ada = await visitor();
    const { page, watch } = ada;
    await page.goto(stack.url, { timeout: PAGE_MS });
    await signIn(page, 'Ada');
    await shown(page.getByRole('heading', { name: 'Opening your sandbox' }));
    await shown(page.getByRole('status').filter({ hasText: /sandbox|agent/ }));
    await browser.keep(page, '2-boot');
    // From here on nobody touches the page.
    await until('the agent admitted the page over its socket', START_MS, () => watch.admitted.length > 0);
    // What an agent without a model shows first.
    await shown(page.getByRole('heading', { name: 'Connect a verified AI model' }));
    await browser.keep(page, '3-agent-without-model');
    await page.getByRole('button', { name: 'Back to app' }).click({ timeout: PAGE_MS });
    await connected(page);
  });

  scene('no token is where a script or a neighbour could read it', async () => {
    const { page, context, watch } = ada;
    const session = (await context.cookies()).find((cookie) => cookie.name === 'sb-access-token');
    assert.ok(session, 'the session is in no cookie');
    assert.equal(session.httpOnly, true);
    assert.equal(session.sameSite, 'Lax');
    const readable = await page.evaluate(async () => ({
      cookies: document.cookie,
      local: JSON.stringify({ ...localStorage }),
      session: JSON.stringify({ ...sessionStorage }),
      shown: document.documentElement.outerHTML,
      source: await (await fetch('/', { headers: { accept: 'text/html' } })).text(),
    }));
    assert.match(readable.source, /<title>OpenClaw/, 'what was searched is not the agent');
    const secrets = [...stack.secrets(), session.value, apiKey];
    for (const [place, text] of Object.entries({ ...readable, addresses: watch.addresses.join('\n') })) {
      assert.ok(!secrets.some((secret) => text.includes(secret)), `a secret of the platform is in ${place}`);
      assert.doesNotMatch(text, /\beyJ[\w-]+\.[\w-]+\.[\w-]+/, `a token is in ${place}`);
    }
  });

  scene('a message gets the answer of the model', async () => {
    const { page } = ada;
    await useModelStub(stack, stack.person('Ada'), { port: stub.port, apiKey });
    await say(page, adasWords);
    await browser.keep(page, '4-chat');
    const asked = stub.seen.filter((request) => request.userText === adasWords);
    assert.ok(asked.length > 0, `the model was not asked: ${JSON.stringify(stub.seen)}`);
    assert.deepEqual([...new Set(asked.map(({ path, status }) => `${path} ${status}`))], ['/v1/chat/completions 200']);
  });

  scene('without JavaScript the boot page refreshes itself until the agent is there', async () => {
    const { page, context } = await visitor({ javaScriptEnabled: false });
    await page.goto(stack.url, { timeout: PAGE_MS });
    await signIn(page, 'Ben');
    await shown(page.getByRole('heading', { name: 'Opening your sandbox' }));
    await page.waitForResponse((response) => response.request().isNavigationRequest() && response.ok(), { timeout: START_MS });
    await until('the page is the agent', PAGE_MS, async () => (await page.title()).startsWith('OpenClaw'));
    assert.equal(new URL(page.url()).pathname, '/');
    await context.close();
  });

  scene('another person has another sandbox and sees nothing of it', async () => {
    const ben = await visitor();
    await ben.page.goto(stack.url, { timeout: PAGE_MS });
    await signIn(ben.page, 'Ben');
    await until("Ben's agent admitted his page", START_MS, () => ben.watch.admitted.length > 0);
    await ben.page.getByRole('button', { name: 'Back to app' }).click({ timeout: PAGE_MS });
    await connected(ben.page);
    await shown(ben.page.getByRole('log').getByText('Type a message below'));
    await browser.keep(ben.page, '5-another-person');
    assert.ok(!(await ben.page.content()).includes(adasWords));
    assert.ok(!ben.watch.sockets.some((socket) => socket.received.some((frame) => frame.includes(adasWords))));
    // The same search that finds it at Ada's.
    const search = `grep -rl ${adasWords} "$HOME/.openclaw" | wc -l`;
    assert.notEqual(Number(await exec(stack, stack.person('Ada'), search)), 0);
    assert.equal(Number(await exec(stack, stack.person('Ben'), search)), 0);
  });

  scene('an open page reconnects by itself after the agent was killed', async () => {
    const { page, watch } = ada;
    // Until now it was one and the same socket, although nothing went through it while Ben was looked at.
    assert.deepEqual(watch.sockets.map((socket) => socket.open), [true], 'the socket was lost before the agent was killed');
    await killAgent('Ada');
    const { token } = stack.person('Ada');
    const ready = await until('the agent is ready again', START_MS, async () => {
      const answer = await fetch(`${stack.url}/readyz`, { headers: { authorization: `Bearer ${token}` } }).catch(() => null);
      return answer?.ok && Date.now();
    });
    await until('the agent admitted the open page again', RECONNECT_MS, () => watch.admitted.length > 1);
    const late = watch.admitted.at(-1).firstAt - ready;
    assert.ok(late <= BACK_MS, `the page was back ${late} ms after the agent was ready`);
    await connected(page);
    await say(page, unique());
    await shown(page.getByRole('log').getByText(ANSWER_PREFIX + adasWords).first());
    await browser.keep(page, '6-reconnected');
  });

  scene('who comes while the agent starts again sees the boot page, and then the agent', async () => {
    const { page, watch } = await noted(browser.tab(ada.context));
    await killAgent('Ada');
    await page.goto(stack.url, { timeout: PAGE_MS });
    await shown(page.getByRole('heading', { name: /^(Opening your sandbox|Restarting your agent)$/ }));
    await until('the agent admitted the new page', START_MS, () => watch.admitted.length > 0);
    await connected(page);
  });

  scene('signing out ends the session', async () => {
    const { page, context, watch } = await visitor();
    await page.goto(`${stack.url}/login`, { timeout: PAGE_MS });
    await signIn(page, 'Ben');
    await until("Ben's agent admitted the page", START_MS, () => watch.admitted.length > 0);
    await page.goto(`${stack.url}/logout`, { timeout: PAGE_MS });
    await shown(page.getByRole('heading', { name: 'Sign out' }));
    await browser.keep(page, '7-sign-out');
    await page.getByRole('button', { name: 'Sign out' }).click({ timeout: PAGE_MS });
    await shown(page.getByRole('heading', { name: 'Signed out' }));
    assert.deepEqual((await context.cookies()).filter((cookie) => cookie.name === 'sb-access-token'), []);
    await page.goto(stack.url, { timeout: PAGE_MS });
    assert.equal(new URL(page.url()).pathname, '/login');
    await context.close();
  });

  scene('no page of the platform logged an error or broke its policy', () => {
    assert.deepEqual(visitors.flatMap(({ watch }) => watch.problems), []);
    const seen = new Set(visitors.flatMap(({ watch }) => watch.ownPages));
    for (const path of ['/login', '/', '/logout']) assert.ok(seen.has(path), `${path} was not looked at: ${[...seen]}`);
  });
});
