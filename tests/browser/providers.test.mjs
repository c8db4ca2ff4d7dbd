// The chat of the real agent with a model of the platform's: through the edge, which alone has the key, and as the model says it, piece by piece. The tests
// tell one story in order.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { ANSWER_PREFIX, ASK_PREFIX, MODEL, OTHER_MODEL } from '../fixtures/model-stub/chat_completion.mjs';
import { startModelStub } from '../fixtures/model-stub/server.mjs';
import { change } from './admin_change.mjs';
import { exec } from './admin_exec.mjs';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { PROVIDER, offering } from './platform_provider.mjs';
import { scenes } from './scene.mjs';
import { Stack } from './stack.mjs';

const PAGE_MS = 10_000;
/** A stop that saves, a start that restores, and the agent. */
const START_MS = 120_000;
const TURN_MS = 60_000;
const TEST_MS = 400_000;
const COOKIE = 'sb-access-token';
const PRIMARY = 'openclaw config get agents.defaults.model.primary';

const apiKey = `key-${randomBytes(16).toString('hex')}`;
const unique = () => `said-${randomBytes(12).toString('hex')}`;

describe('a model of the platform', () => {
  let stub, provider, stack, browser, ada, page, watch;

  before(async () => {
    stub = await startModelStub({ apiKey });
    provider = offering({ port: stub.port, apiKey });
    browser = await Browser.start();
    console.log(`screenshots: ${browser.artifacts}`);
    stack = await Stack.start(['--agent', 'openclaw', '--limits', 'test', ...provider.options]);
    ada = stack.person('Ada');
    const one = await browser.visitor();
    ({ page, watch } = one);
    await one.context.addCookies([{ name: COOKIE, value: ada.token, url: stack.url, httpOnly: true, sameSite: 'Lax' }]);
  });

  after(async () => {
    const ends = await Promise.allSettled([browser?.close(), stack?.stop(), stub?.close()]);
    provider?.remove();
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  });

  const scene = scenes(TEST_MS, () => ({ browser, stack }));
  const log = () => page.getByRole('log');

  /** Opens the agent's page, however long that takes. */
  async function open() {
    const before = watch.admitted.length;
    await page.goto(`${stack.url}/chat/main`, { timeout: PAGE_MS, waitUntil: 'commit' });
    await until('the agent admitted the page', START_MS, () => watch.admitted.length > before);
  }

  async function ask(text) {
    const composer = page.getByRole('textbox', { name: 'Chat composer' });
    await composer.fill(ASK_PREFIX + text, { timeout: PAGE_MS });
    await composer.press('Enter');
  }

  const answered = (text) => log().getByText(ANSWER_PREFIX + text).first().waitFor({ state: 'visible', timeout: TURN_MS });
  const askedFor = (text) => stub.seen.filter((request) => request.userText === text);
  const config = async () => {
    const headers = { 'x-admin-secret': stack.adminSecret };
    return (await fetch(`${stack.url}/api/super/users/${ada.id}/config`, { headers })).json();
  };

  scene('is there without anything being set up, and its words are shown as they come', async () => {
    await change(stack, ada, 'PUT', 'tier', { tier: 3 });
    await open();
    const text = unique();
    const release = stub.hold(text);
    await ask(text);
    await until('the model is asked', TURN_MS, () => askedFor(text).length > 0);
    // A third of the answer, while the model still holds back the rest.
    const first = (ANSWER_PREFIX + text).slice(0, Math.ceil((ANSWER_PREFIX + text).length / 3));
    await log().getByText(first).first().waitFor({ state: 'visible', timeout: TURN_MS });
    assert.equal(await log().getByText(ANSWER_PREFIX + text).count(), 0, 'the whole answer is there before it was given');
    await browser.keep(page, 'first-words');
    release();
    await answered(text);
    await browser.keep(page, 'whole-answer');
    assert.deepEqual([...new Set(askedFor(text).map(({ path, status, model }) => `${path} ${status} ${model}`))], [`/v1/chat/completions 200 ${MODEL}`]);
    assert.ok(stub.seen.every(({ status }) => status !== 401), 'the model was asked with another key');
  });

  scene('is the default of nobody who chose another, before and after a restart and a new sandbox', async () => {
    const before = await config();
    assert.deepEqual(before.layers.user.agents, undefined, 'the default is no choice of hers');
    assert.equal(before.effective.agents.defaults.model.primary, `${PROVIDER}/${MODEL}`);
    await exec(stack, ada, `openclaw config set agents.defaults.model.primary ${PROVIDER}/${OTHER_MODEL}`);
    await change(stack, ada, 'POST', 'restart');
    await keeps('a restart');
    await change(stack, ada, 'POST', 'destroy');
    await keeps('a new sandbox');
  });

  async function keeps(what) {
    await open();
    assert.equal((await exec(stack, ada, PRIMARY)).trim(), `${PROVIDER}/${OTHER_MODEL}`, `after ${what}`);
    const { layers } = await config();
    assert.deepEqual(layers.user.agents?.defaults?.model, { primary: `${PROVIDER}/${OTHER_MODEL}` }, `after ${what}`);
    assert.equal(layers.user.models, undefined, 'what the platform offers is not hers');
    const text = unique();
    await ask(text);
    await answered(text);
    assert.deepEqual([...new Set(askedFor(text).map(({ model }) => model))], [OTHER_MODEL], `after ${what}`);
    await browser.keep(page, `chosen-after-${what.replaceAll(' ', '-')}`);
  }

  scene('leaves no key in a page, in a file of the sandbox or in an environment', async () => {
    // What is looked for is in no argument, so that the search does not find itself.
    const search = [
      'key="$(cat)"; found() { printf %s "$key" | grep -F -f - "$@"; }',
      'found -rl "$HOME" /tmp 2>/dev/null',
      'for p in /proc/[0-9]*; do found -qs "$p/environ" "$p/cmdline" && echo "$p"; done; true',
    ].join('\n');
    assert.equal(await exec(stack, ada, search, apiKey), '');
    assert.ok(!(await page.content()).includes(apiKey));
    assert.ok(!watch.sockets.some((socket) => socket.received.some((frame) => frame.includes(apiKey))));
    // The same search finds what the agent does have, where it has it.
    const variable = await exec(stack, ada, search, 'MOLT_PROVIDER_TOKEN=');
    assert.match(variable, /^\/proc\/\d+$/m, 'the search finds nothing at all');
    assert.match(await exec(stack, ada, 'cat "$HOME/.openclaw/openclaw.json"'), /\$\{MOLT_PROVIDER_TOKEN\}/);
  });
});
