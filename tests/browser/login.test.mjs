// Signing in at an identity provider, staying signed in, being refused, and signing out, in a real browser. The tests tell one story in
// order; each says what it needs of those before.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { IdentityProvider } from '../fixtures/identity-provider/server.mjs';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { sql } from './database.mjs';
import { scenes } from './scene.mjs';
import { Stack } from './stack.mjs';

/** A page of ours or of the provider. */
const PAGE_MS = 10_000;
/** A sandbox from nothing to the echo agent. */
const START_MS = 60_000;
const TEST_MS = 120_000;

const ADA = { id: 'ada00000-0000-4000-8000-000000000001', email: 'ada@example.test', name: 'Ada' };
const STRANGER = { id: randomUUID(), email: 'o\'stranger<b>@elsewhere.test', name: 'Stranger' };
const SESSION = 'sb-access-token';
const REFRESH = 'molt-refresh';

describe('a person at the identity provider', () => {
  let provider, browser, stack, folder, ada;

  before(async () => {
    const apiKey = `key-${randomBytes(16).toString('hex')}`;
    provider = await IdentityProvider.start({ apiKey, people: [ADA, STRANGER] });
    folder = mkdtempSync(join(tmpdir(), 'molt-login-'));
    const secrets = join(folder, 'secrets.json');
    writeFileSync(secrets, JSON.stringify({ router: { AUTH_API_KEY: apiKey } }), { mode: 0o600 });
    browser = await Browser.start();
    console.log(`screenshots: ${browser.artifacts}`);
    const vars = [
      'router.DEV_IDENTITY_USERS=',
      `router.LOGIN_URL=${provider.url}/authorize`,
      `router.AUTH_URL=${provider.url}/auth/v1`,
      'container-gateway.SIGNUP=domains',
      'container-gateway.SIGNUP_DOMAINS=example.test',
    ];
    const given = vars.flatMap((text) => ['--var', text]);
    stack = await Stack.start(['--agent', 'echo', '--limits', 'test', '--secrets-file', secrets, ...given]);
    const kept = JSON.parse(readFileSync(join(stack.stateDir, 'secrets.json'), 'utf8'));
    const [, claims] = stack.person('Ada').token.split('.');
    provider.signAs(kept.SUPABASE_JWT_SECRET, JSON.parse(Buffer.from(claims, 'base64url')).iss);
  });

  after(async () => {
    const ends = await Promise.allSettled([browser?.close(), stack?.stop(), provider?.close()]);
    if (folder) rmSync(folder, { recursive: true, force: true });
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  });

  const scene = scenes(TEST_MS, () => ({ browser, stack }));

  const cookie = async (context, name) => (await context.cookies()).find((one) => one.name === name);
  const heading = (page, name, timeout = PAGE_MS) => page.getByRole('heading', { name }).waitFor({ state: 'visible', timeout });

  async function signIn(page, name, path = '/') {
    await page.goto(stack.url + path, { timeout: PAGE_MS });
    assert.equal(new URL(page.url()).origin, provider.url, 'the browser was sent to the provider');
    await page.getByRole('link', { name: `Continue as ${name}` }).click({ timeout: PAGE_MS });
  }

  scene('signing in leads over the provider and back to where the person wanted to go', async () => {
    ada = await browser.visitor();
    const { page, context, watch } = ada;
    await signIn(page, 'Ada', '/?from=a%20link');
    await heading(page, 'Echo agent', START_MS);
    assert.equal(page.url(), `${stack.url}/?from=a%20link`);
    assert.ok((await page.content()).includes(ADA.id));
    for (const name of [SESSION, REFRESH]) {
      const kept = await cookie(context, name);
      assert.ok(kept?.httpOnly && kept.sameSite === 'Lax' && kept.path === '/', name);
    }
    assert.equal(await cookie(context, 'molt-login-state'), undefined, 'the sign-in is over');
    // Nothing that opens the session is left where a script or the next person could find it.
    const token = (await cookie(context, SESSION)).value;
    const [cookies, left] = await page.evaluate(() => [document.cookie, { ...localStorage, ...sessionStorage }]);
    assert.equal(cookies, '');
    // When the boot page opened the agent, so that it does not do so again and again.
    for (const [name, value] of Object.entries(left)) assert.match(`${name}=${value}`, /^molt-boot-reloads=[[\d,\]]+$/);
    const asked = watch.addresses.filter((address) => address.startsWith(stack.url) && new URL(address).search.includes(token));
    assert.deepEqual(asked, []);
    await page.goBack({ timeout: PAGE_MS }).catch(() => undefined);
    assert.ok(!page.url().includes(token), page.url());
    assert.deepEqual(watch.problems, []);
  });

  scene('a page renews a session that has little time left, and one whose cookie is gone', async () => {
    const { page, context } = ada;
    provider.lifetimeS = 200;
    await context.clearCookies({ name: SESSION });
    await page.goto(stack.url, { timeout: PAGE_MS });
    await heading(page, 'Echo agent');
    assert.equal(provider.renewed.length, 1);
    const short = await cookie(context, SESSION);
    assert.ok(short.expires <= Date.now() / 1000 + 200, 'no longer than the token');
    provider.lifetimeS = 3600;
    // Beside other requests with the same cookies, as a page makes them.
    await Promise.all([page.goto(stack.url, { timeout: PAGE_MS }), ...Array.from({ length: 5 }, () => context.request.get(`${stack.url}/`, { headers: { accept: 'text/html' } }))]);
    await heading(page, 'Echo agent');
    assert.equal(provider.renewed.length, 2, 'the single-use refresh token was spent once');
    assert.notEqual((await cookie(context, SESSION)).value, short.value);
    const socket = await page.evaluate(() => new Promise((resolve) => {
      const opened = new WebSocket(`ws://${location.host}/socket`);
      opened.onopen = () => resolve('open');
      opened.onerror = () => resolve('refused');
    }));
    assert.equal(socket, 'open');
  });

  scene('a page of another origin can neither use the session nor end it nor exchange it', async () => {
    const { page, context } = await browser.tab(ada.context);
    const before = (await cookie(context, SESSION)).value;
    // The provider's port is another origin on the same site, so that the browser does send the cookies.
    await page.goto(`${provider.url}/attack`, { timeout: PAGE_MS });
    const read = await page.evaluate(async (url) => {
      const asked = (path, options) => fetch(url + path, { credentials: 'include', ...options }).then((answer) => answer.status, () => 'refused');
      return [await asked('/echo'), await asked('/echo', { method: 'PUT' }), await asked('/logout', { method: 'POST' })];
    }, stack.url);
    assert.deepEqual(read, ['refused', 'refused', 'refused']);
    const socket = await page.evaluate((url) => new Promise((resolve) => {
      const opened = new WebSocket(`${url.replace('http', 'ws')}/socket`);
      opened.onopen = () => resolve('open');
      opened.onerror = () => resolve('refused');
    }), stack.url);
    assert.equal(socket, 'refused');
    await page.evaluate((url) => {
      const form = Object.assign(document.createElement('form'), { method: 'post', action: `${url}/logout` });
      document.body.append(form);
      form.submit();
    }, stack.url);
    await heading(page, 'Forbidden');
    // A link that brings somebody else's token.
    const { access_token: token } = provider.grant(STRANGER);
    await page.goto(`${stack.url}/auth/callback?state=0123#access_token=${token}`, { timeout: PAGE_MS });
    await heading(page, 'Sign-in refused');
    await browser.keep(page, 'login-3-not-begun-here');
    assert.ok(!page.url().includes('#') && !page.url().includes('state'), page.url());
    assert.equal((await cookie(context, SESSION)).value, before);
    assert.deepEqual(provider.signedOut, []);
    await page.close();
  });

  scene('a provider that refuses is said to have', async () => {
    const { page, context } = await browser.visitor();
    await page.goto(`${stack.url}/auth/callback#error=access_denied&error_description=<b>Pay here</b>`, { timeout: PAGE_MS });
    await page.getByRole('status').filter({ hasText: 'The sign-in service refused.' }).waitFor({ timeout: PAGE_MS });
    assert.ok(!(await page.content()).includes('Pay here'));
    assert.equal(new URL(page.url()).hash, '');
    await browser.keep(page, 'login-4-refused-by-provider');
    await context.close();
  });

  scene('somebody whom the policy does not take is told so', async () => {
    const { page, context } = await browser.visitor();
    await signIn(page, 'Stranger');
    await heading(page, 'No access');
    await page.getByText('confirmed e-mail address').waitFor({ timeout: PAGE_MS });
    await page.getByText(`You are signed in as ${STRANGER.email}.`).waitFor({ timeout: PAGE_MS });
    await browser.keep(page, 'login-5-no-access');
    await page.getByRole('link', { name: 'Sign out' }).click({ timeout: PAGE_MS });
    await heading(page, 'Sign out');
    await context.close();
  });

  scene('a suspended person is told so', async () => {
    const { page } = ada;
    await sql(stack, `UPDATE users SET status = 'suspended' WHERE id = '${ADA.id}'`);
    await until('the suspension is seen', 20_000, async () => {
      await page.goto(stack.url, { timeout: PAGE_MS });
      return page.getByRole('heading', { name: 'No access' }).isVisible();
    });
    await page.getByText('This account is suspended').waitFor({ timeout: PAGE_MS });
    await browser.keep(page, 'login-6-suspended');
  });

  scene('signing out ends the session here and at the provider, and does not begin the next one', async () => {
    const { page, context } = ada;
    await page.evaluate(() => localStorage.setItem('device', 'key'));
    await page.getByRole('link', { name: 'Sign out' }).click({ timeout: PAGE_MS });
    await browser.keep(page, 'login-7-sign-out');
    await page.getByRole('button', { name: 'Sign out' }).click({ timeout: PAGE_MS });
    await heading(page, 'Signed out');
    await browser.keep(page, 'login-8-signed-out');
    assert.equal(page.url(), `${stack.url}/logout`);
    assert.deepEqual((await context.cookies()).map(({ name }) => name), []);
    assert.equal(await page.evaluate(() => localStorage.length), 0, 'what the agent kept is gone');
    assert.equal(provider.signedOut.length, 1);
    await page.getByRole('link', { name: 'Sign in' }).click({ timeout: PAGE_MS });
    await heading(page, 'Identity provider');
  });
});
