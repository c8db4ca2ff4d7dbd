// The whole way of a person: from a browser that nobody knows to an answer of the agent, with the real agent in real sandboxes.
// The tests tell one story in order; each says what it needs of those before.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { ANSWER_PREFIX } from '../fixtures/model-stub/chat_completion.mjs';
import { startModelStub } from '../fixtures/model-stub/server.mjs';
import { exec } from './admin_exec.mjs';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { HOST, useModelStub } from './model_provider.mjs';
import { Stack } from './stack.mjs';

/** A page of ours, or one that the agent has at hand. */
const PAGE_MS = 10_000;
/** A sandbox from nothing to an agent that admits traffic, on two busy cores. */
const START_MS = 60_000;
/** A first turn, for which the agent loads what it needs. */
const TURN_MS = 60_000;
/** More than all deadlines of one test together: those say what went wrong, this only ends. */
const TEST_MS = 240_000;

const apiKey = `key-${randomBytes(16).toString('hex')}`;
const unique = () => randomBytes(6).toString('hex');

describe('a person and the agent', () => {
  let stub, stack, browser, ada, ben;
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

  /** A test whose failure comes with pictures of all pages and the end of the stack's logs. */
  function scene(name, body) {
    test(name, { timeout: TEST_MS }, async () => {
      try {
        await body();
      } catch (error) {
        const pictures = await browser.keepAll(`failed-${unique()}`);
        throw new Error([error.message, '--- pages', ...pictures, stack.tail()].join('\n'), { cause: error });
      }
    });
  }

  async function visitor(options) {
    const one = await browser.visitor(options);
    visitors.push(one);
    return one;
  }

  const signIn = (page, name) => page.getByRole('button', { name: `Continue as ${name}` }).click({ timeout: PAGE_MS });
  const shown = (locator, timeout = PAGE_MS) => locator.waitFor({ state: 'visible', timeout });
  const connected = (page) => page.getByRole('status').filter({ hasText: /^\s*Connected\s*$/ });

  /** Says something in the chat and waits until the page shows the model's answer to it. */
  async function say(page, text) {
    const composer = page.getByRole('textbox', { name: 'Chat composer' });
    await composer.fill(text, { timeout: PAGE_MS });
    await composer.press('Enter');
    await shown(page.getByRole('log').getByText(ANSWER_PREFIX + text).first(), TURN_MS);
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
    // An agent without a model asks for one first.
    await shown(page.getByRole('heading', { name: 'Model Setup' }));
    await browser.keep(page, '3-agent-without-model');
    await page.goto(`${stack.url}/settings/gateway`, { timeout: PAGE_MS }).catch(() => undefined);
  });
});
