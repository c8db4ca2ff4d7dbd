// The script for the sockets of an open page together with the real agent: its page, its policy, its protocol.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exec } from './admin_exec.mjs';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { CutLine } from './cut_line.mjs';
import { scenes } from './scene.mjs';
import { Stack } from './stack.mjs';

const PAGE_MS = 10_000;
const START_MS = 90_000;
const BACK_MS = 2_000;
const TEST_MS = 240_000;
/** What the agent's page shows as long as it has no socket. */
const RECONNECTING = /Gateway is reconnecting/;

describe('an open page of the real agent', () => {
  let stack, line, browser, ada;
  const complaints = [];

  before(async () => {
    stack = await Stack.start(['--agent', 'openclaw', '--limits', 'test', '--var', 'container-gateway.SOCKET_RESUME=on']);
    line = await CutLine.to(stack.url);
    browser = await Browser.start(line.flags);
    console.log(`screenshots: ${browser.artifacts}`);
  });

  after(async () => {
    const ends = await Promise.allSettled([browser?.close(), line?.close(), stack?.stop()]);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  });

  const scene = scenes(TEST_MS, () => ({ browser, stack }));

  const connected = (page) =>
    page.getByRole('status').filter({ hasText: /^\s*Connected\s*$/ }).waitFor({ state: 'attached', timeout: PAGE_MS });
  const violations = () => ada.page.evaluate(() => globalThis.violations);

  scene('runs the script under its own policy, and opens its socket by it', async () => {
    ada = await browser.visitor();
    const { page, context, watch } = ada;
    page.on('console', (message) => /Content Security|Uncaught/.test(message.text()) && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(`${error.stack}`));
    await page.addInitScript(() => {
      globalThis.violations = [];
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => globalThis.violations.push(`${violatedDirective} ${blockedURI}`));
    });
    const { token } = stack.person('Ada');
    await context.addCookies([{ name: 'sb-access-token', value: token, url: stack.url, httpOnly: true, sameSite: 'Lax' }]);
    await page.goto(stack.url, { timeout: PAGE_MS });
    await until('the agent admitted the page', START_MS, () => watch.admitted.length > 0);
    await page.getByRole('button', { name: 'Back to app' }).click({ timeout: PAGE_MS });
    await connected(page);
    const first = await page.evaluate(() => document.head.firstElementChild.outerHTML);
    assert.equal(first, '<script src="/_molt/assets/socket.js" data-resume="on"></script>');
    assert.ok(watch.sockets.every((socket) => socket.received[0].startsWith('c{"type":"welcome"')), 'the sockets do not resume');
    assert.deepEqual([complaints, await violations()], [[], []]);
  });

  scene('does not notice that its connection is cut, again and again', async () => {
    const { page, watch } = ada;
    for (let cuts = 1; cuts <= 5; cuts += 1) {
      const before = watch.sockets.length;
      line.cut();
      const at = Date.now();
      await until('the socket goes on', PAGE_MS, () => watch.sockets.length > before && watch.sockets.at(-1).firstAt);
      const ms = watch.sockets.at(-1).firstAt - at;
      assert.ok(ms <= BACK_MS, `back after ${ms} ms`);
    }
    assert.equal(watch.admitted.length, 1, 'the page had to begin anew');
    assert.equal(await page.getByText(RECONNECTING).count(), 0);
    await connected(page);
  });

  scene('says that it reconnects while the line is down', async () => {
    const { page, watch } = ada;
    line.down();
    await page.locator('molt-status').getByRole('status').filter({ hasText: 'Reconnecting' }).waitFor({ timeout: PAGE_MS });
    await until('the time is shown', PAGE_MS, async () => /\d s/.test(await page.locator('molt-status .elapsed').innerText()));
    await browser.keep(page, 'sockets-agent-reconnecting');
    line.up();
    await page.locator('molt-status').waitFor({ state: 'detached', timeout: 20_000 });
    assert.equal(watch.admitted.length, 1, 'the page had to begin anew');
    assert.deepEqual([complaints, await violations()], [[], []]);
  });

  scene('passes all of the platform through its service worker, which keeps nothing of it', async () => {
    const { page, context } = ada;
    await until('the service worker is in between', START_MS, () => page.evaluate(() => Boolean(navigator.serviceWorker.controller)));
    const { page: tab } = await browser.tab(context);
    const passed = new Set();
    tab.on('response', (answer) => answer.fromServiceWorker() && passed.add(new URL(answer.url()).pathname));
    const person = stack.person('Ada');
    const kill = 'for p in /proc/[0-9]*; do case "$(tr "\\0" " " <"$p/cmdline")" in openclaw-gateway*) kill -KILL "${p#/proc/}"; echo killed;; esac; done 2>/dev/null; true';
    assert.match(await exec(stack, person, kill), /killed/);
    await until('the boot page is shown', PAGE_MS, async () => (await tab.goto(stack.url, { timeout: PAGE_MS })).status() === 503);
    // It hears how far the agent is by events, and opens it.
    await tab.locator('openclaw-app').waitFor({ state: 'attached', timeout: START_MS });
    await until('the page asks as well', PAGE_MS, () => tab.evaluate(async () => (await fetch('/_molt/boot')).ok));
    const own = ['/_molt/assets/boot.js', '/_molt/assets/socket.js', '/_molt/boot', '/_molt/boot/events'];
    await until('all of it went through the service worker', PAGE_MS, () => own.every((path) => passed.has(path)));
    const kept = await tab.evaluate(async () => {
      const each = await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()));
      return each.flat().map(({ url }) => new URL(url).pathname);
    });
    assert.ok(kept.some((path) => path.startsWith('/assets/')), 'it keeps nothing at all');
    assert.deepEqual(kept.filter((path) => path.startsWith('/_molt/')), []);
    await tab.close();
    await until('the first page is back', START_MS, () => ada.watch.sockets.at(-1).received.some((frame) => frame.includes('"type":"hello-ok"')));
  });

  scene('is back soon after its agent was killed and is ready again', async () => {
    const { page, watch } = ada;
    const person = stack.person('Ada');
    const before = watch.admitted.length;
    const kill = 'for p in /proc/[0-9]*; do case "$(tr "\\0" " " <"$p/cmdline")" in openclaw-gateway*) kill -KILL "${p#/proc/}"; echo killed;; esac; done 2>/dev/null; true';
    assert.match(await exec(stack, person, kill), /killed/);
    const ready = await until('the agent is ready again', START_MS, async () => {
      const answer = await fetch(`${stack.url}/readyz`, { headers: { authorization: `Bearer ${person.token}` } }).catch(() => null);
      return answer?.ok && Date.now();
    });
    await until('the agent admitted the page again', START_MS, () => watch.admitted.length > before);
    const late = watch.admitted.at(-1).firstAt - ready;
    console.log(`back ${late} ms after the agent was ready`);
    assert.ok(late <= BACK_MS, `back ${late} ms after the agent was ready`);
    await connected(page);
    await browser.keep(page, 'sockets-agent-back');
    assert.deepEqual([complaints, await violations()], [[], []]);
  });
});
