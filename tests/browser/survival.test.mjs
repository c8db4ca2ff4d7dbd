// What a person has in the sandbox survives whatever operators and the platform do to it, with the real agent: the conversation, what the agent remembers,
// and settings. The tests tell one story in order.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { ANSWER_PREFIX, ASK_PREFIX } from '../fixtures/model-stub/chat_completion.mjs';
import { startModelStub } from '../fixtures/model-stub/server.mjs';
import { change } from './admin_change.mjs';
import { exec } from './admin_exec.mjs';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { HOST, useModelStub } from './model_provider.mjs';
import { scenes } from './scene.mjs';
import { Stack } from './stack.mjs';

const PAGE_MS = 10_000;
/** A stop that saves, a start that restores, and the agent. */
const BACK_MS = 120_000;
const TURN_MS = 60_000;
const TEST_MS = 400_000;
const COOKIE = 'sb-access-token';
const FACT = `remembers ${randomBytes(6).toString('hex')}`;
const COLOUR = `#${randomBytes(3).toString('hex').toUpperCase()}`;

const apiKey = `key-${randomBytes(16).toString('hex')}`;

describe('what a person has', () => {
  let stub, stack, browser, ada, page, watch;
  const words = `said-${randomBytes(6).toString('hex')}`;

  before(async () => {
    stub = await startModelStub({ apiKey });
    browser = await Browser.start();
    console.log(`screenshots: ${browser.artifacts}`);
    stack = await Stack.start(['--agent', 'openclaw', '--limits', 'test', '--allow-host', `${HOST}=127.0.0.1:${stub.port}`]);
    ada = stack.person('Ada');
    const one = await browser.visitor();
    ({ page, watch } = one);
    await one.context.addCookies([{ name: COOKIE, value: ada.token, url: stack.url, httpOnly: true, sameSite: 'Lax' }]);
  });

  after(async () => {
    const ends = await Promise.allSettled([browser?.close(), stack?.stop(), stub?.close()]);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  });

  const scene = scenes(TEST_MS, () => ({ browser, stack }));

  const log = () => page.getByRole('log');
  const said = (text) => log().getByText(ANSWER_PREFIX + text).first();

  /** Opens the agent's page, however long that takes. */
  async function open() {
    const before = watch.admitted.length;
    await page.goto(`${stack.url}/chat/main`, { timeout: PAGE_MS, waitUntil: 'commit' });
    await until('the agent admitted the page', BACK_MS, () => watch.admitted.length > before);
    const back = page.getByRole('button', { name: 'Back to app' });
    if (await back.isVisible()) await back.click({ timeout: PAGE_MS });
  }

  async function say(text) {
    const composer = page.getByRole('textbox', { name: 'Chat composer' });
    const givenUp = log().getByText('ConfigReplacedError');
    for (let turn = 1; turn <= 3; turn += 1) {
      const before = await givenUp.count();
      await composer.fill(ASK_PREFIX + text, { timeout: PAGE_MS });
      await composer.press('Enter');
      await until('the turn has ended', TURN_MS, async () => (await said(text).isVisible()) || (await givenUp.count()) > before);
      if (await said(text).isVisible()) return;
    }
    assert.fail('the agent gave three turns up');
  }

  /** What must be there after anything that happens: the conversation in the page, the note, the setting, whole databases. */
  async function isThere(after) {
    await open();
    await said(words).waitFor({ state: 'visible', timeout: PAGE_MS });
    await browser.keep(page, `after-${after}`);
    assert.match(await exec(stack, ada, 'cat "$HOME/.openclaw/workspace/MEMORY.md"'), new RegExp(FACT), `the note is gone after ${after}`);
    assert.match(await exec(stack, ada, 'openclaw config get agents.defaults.model.primary'), /stub\//, `the model is gone after ${after}`);
    assert.match(await exec(stack, ada, 'openclaw config get ui.seamColor'), new RegExp(COLOUR), `the setting is gone after ${after}`);
  }

  scene('a conversation, a note and a setting', async () => {
    await change(stack, ada, 'PUT', 'tier', { tier: 3 });
    await open();
    await useModelStub(stack, ada, { port: stub.port, apiKey });
    await say(words);
    await exec(stack, ada, 'mkdir -p "$HOME/.openclaw/workspace" && cat >> "$HOME/.openclaw/workspace/MEMORY.md"', `${FACT}\n`);
    await exec(stack, ada, 'openclaw config patch --stdin', JSON.stringify({ ui: { seamColor: COLOUR } }));
    await isThere('saying it');
  });

  scene('survive a destroyed sandbox, which starts in a new container', async () => {
    const job = await change(stack, ada, 'POST', 'destroy');
    await isThere('destroy');
    assert.ok(job.change.generation < (await state()).generation, 'it was not started again');
  });

  scene('survive another image, and the way back', async () => {
    await change(stack, ada, 'PUT', 'image', { channel: 'canary' });
    await isThere('another image');
    await change(stack, ada, 'PUT', 'image', { rollback: true });
    await isThere('the way back');
  });

  scene('survive another tier', async () => {
    await change(stack, ada, 'PUT', 'tier', { tier: 2 });
    await isThere('another tier');
  });

  async function state() {
    const headers = { 'x-admin-secret': stack.adminSecret };
    return (await fetch(`${stack.url}/api/super/users/${ada.id}/state`, { headers })).json();
  }
});
