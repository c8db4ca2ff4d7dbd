// What a person sees whose session ends while the agent's page is open, with the real agent.
// The tests tell one story in order; each says what it needs of those before.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { scenes } from './scene.mjs';
import { Stack } from './stack.mjs';
import { tokenLike } from './user_token.mjs';

const PAGE_MS = 10_000;
/** A sandbox from nothing to an agent that admits traffic, on two busy cores. */
const START_MS = 60_000;
/** What the platform promises: a socket is closed this soon after its session ended. */
const CLOSED_MS = 5_000;
/** The growing pauses of the agent's page between two attempts. */
const RECONNECT_MS = 40_000;
const TEST_MS = 180_000;

const COOKIE = 'sb-access-token';
/** What the agent's page shows as long as it has no socket: it knows none of our close codes and goes on trying. */
const RECONNECTING = /Gateway is reconnecting/;
/** What the platform's script says at the head of the page. */
const ENDED = 'Your session has ended. Sign in again';

describe('a session that ends under an open page', () => {
  let stack, browser, ada;
  const session = randomUUID();

  before(async () => {
    browser = await Browser.start();
    console.log(`screenshots: ${browser.artifacts}`);
    stack = await Stack.start(['--agent', 'openclaw', '--limits', 'test']);
  });

  after(async () => {
    const ends = await Promise.allSettled([browser?.close(), stack?.stop()]);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  });

  const scene = scenes(TEST_MS, () => ({ browser, stack }));

  const shown = (locator) => locator.waitFor({ state: 'visible', timeout: RECONNECT_MS });
  const hidden = (locator) => locator.waitFor({ state: 'hidden', timeout: PAGE_MS });
  /** Has the browser hold this token as its session. */
  const hold = (context, token) => context.addCookies([{ name: COOKIE, value: token, url: stack.url, httpOnly: true, sameSite: 'Lax' }]);
  /** How the sockets of a page were closed, in order: `{code, reason, at}`. */
  const closes = (page) => page.evaluate(() => globalThis.moltCloses);

  /** A page that notes how its sockets are closed, before any script of the page runs. */
  async function open(person, token) {
    const visitor = await browser.visitor();
    await visitor.page.addInitScript(() => {
      globalThis.moltCloses = [];
      const Native = globalThis.WebSocket;
      globalThis.WebSocket = class extends Native {
        constructor(...rest) {
          super(...rest);
          this.addEventListener('close', ({ code, reason }) => globalThis.moltCloses.push({ code, reason, at: Date.now() }));
        }
      };
    });
    await hold(visitor.context, token);
    await visitor.page.goto(stack.url, { timeout: PAGE_MS });
    await until('the agent admitted the page', START_MS, () => visitor.watch.admitted.length > 0);
    return visitor;
  }

  scene('a token that ends closes the socket, and a renewed one resumes without a word', async () => {
    const person = stack.person('Ada');
    // Its start is not to count.
    const first = await open(person, person.token);
    await first.context.close();
    const endsInS = 12;
    const end = Math.floor(Date.now() / 1000) + endsInS;
    ada = await open(person, tokenLike(stack, person.token, { endsInS, session }));
    const [{ code, reason, at }] = await until('the socket was closed', endsInS * 1000 + CLOSED_MS, async () => {
      const seen = await closes(ada.page);
      return seen.length > 0 && seen;
    });
    assert.equal(code, 4401, reason);
    assert.ok(at >= end * 1000 && at < end * 1000 + CLOSED_MS, `${at - end * 1000} ms after the token's end`);
    // Its attempts wait until somebody has signed in, and it is said why.
    await shown(ada.page.getByText(ENDED));
    await shown(ada.page.getByText(RECONNECTING).first());
    await browser.keep(ada.page, 'expired');
    const tries = (await closes(ada.page)).length - 1;
    assert.ok(tries <= 2, `it has tried ${tries} times in vain`);
    assert.equal(ada.watch.admitted.length, 1);
    await hold(ada.context, tokenLike(stack, person.token, { endsInS: 3600, session }));
    await until('the agent admitted the page again', RECONNECT_MS, () => ada.watch.admitted.length > 1);
    await hidden(ada.page.getByText(RECONNECTING).first());
    await hidden(ada.page.getByText(ENDED));
  });

  scene('signing out in one tab ends the other, which a reload leads to the sign-in page', async () => {
    const before = (await closes(ada.page)).length;
    const { page } = await browser.tab(ada.context);
    await page.goto(`${stack.url}/logout`, { timeout: PAGE_MS });
    await page.getByRole('button', { name: 'Sign out' }).click({ timeout: PAGE_MS });
    const { code, reason } = await until('the socket was closed', CLOSED_MS, async () => (await closes(ada.page))[before]);
    assert.equal(code, 4402, reason);
    await shown(page.getByRole('heading', { name: 'Signed out' }));
    await shown(ada.page.getByText(ENDED));
    await shown(ada.page.getByText(RECONNECTING).first());
    await browser.keep(ada.page, 'signed-out');
    assert.deepEqual([ada.watch.admitted.length, (await closes(ada.page)).length], [2, before + 1], 'nobody was let in again');
    await ada.page.reload({ timeout: PAGE_MS });
    assert.equal(new URL(ada.page.url()).pathname, '/login');
    await ada.context.close();
  });

  scene('a suspended person is told so', async () => {
    const person = stack.person('Ada');
    const { page, context } = await open(person, person.token);
    const response = await fetch(`${stack.url}/api/super/users/${person.id}/suspend`, {
      method: 'POST',
      headers: { 'x-admin-secret': stack.adminSecret, 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'a test' }),
    });
    assert.ok(response.ok, `${response.status} ${await response.text()}`);
    const { code, reason } = await until('the socket was closed', CLOSED_MS, async () => (await closes(page))[0]);
    assert.equal(code, 4403, reason);
    await shown(page.locator('molt-status').getByText('suspended'));
    await browser.keep(page, 'suspended-at-once');
    await page.reload({ timeout: PAGE_MS });
    await shown(page.getByRole('heading', { name: 'No access' }));
    await shown(page.getByText('suspended'));
    await browser.keep(page, 'suspended');
    await page.getByRole('link', { name: 'Sign out' }).click({ timeout: PAGE_MS });
    await shown(page.getByRole('heading', { name: 'Sign out' }));
    await context.close();
  });
});
