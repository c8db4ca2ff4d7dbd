// What happens to the sockets of an open page when something breaks, in a real browser, with the stand-in for the agent.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { exec } from './admin_exec.mjs';
import { Browser } from './chromium.mjs';
import { until } from './condition.mjs';
import { CutLine } from './cut_line.mjs';
import { scenes } from './scene.mjs';
import { Stack } from './stack.mjs';
import { tokenLike } from './user_token.mjs';

const PAGE_MS = 10_000;
const START_MS = 60_000;
/** What the platform promises: a page is back this soon after a break, or after its agent is ready again. */
const BACK_MS = 2_000;
const TEST_MS = 120_000;
const COOKIE = 'sb-access-token';

/** Runs in the page: a socket that is opened again whenever it closes, and notes of all that it is told. */
function keepSocket() {
  const log = (globalThis.log = { opens: [], closes: [], received: [], online: [], sent: 0, gap: 0 });
  let last = 0;
  globalThis.addEventListener('online', () => log.online.push(Date.now()));
  globalThis.open = () => {
    const socket = (globalThis.socket = new WebSocket('/numbers'));
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => log.opens.push(Date.now());
    socket.onclose = ({ code, reason }) => {
      log.closes.push({ code, reason, at: Date.now() });
      if (!globalThis.patient) globalThis.open();
    };
    socket.onmessage = ({ data }) => {
      // Numbers as text, short and long, and as bytes.
      const text = typeof data === 'string' && /^n(\d+)/.exec(data);
      if (!text && typeof data === 'string') return;
      log.received.push(text ? Number(text[1]) : new DataView(data).getUint32(0));
      if (last) log.gap = Math.max(log.gap, Date.now() - last);
      last = Date.now();
    };
  };
  globalThis.count = () => {
    globalThis.counting = setInterval(() => {
      if (globalThis.socket.readyState !== 1) return;
      const n = log.sent++;
      const bytes = new DataView(new ArrayBuffer(n % 50 === 7 ? 200_000 : 4));
      bytes.setUint32(0, n);
      globalThis.socket.send(n % 3 === 1 ? bytes : `n${n}${' '.repeat(n % 70 === 5 ? 300_000 : 0)}`);
    }, 5);
  };
  globalThis.open();
}

for (const resume of ['on', 'off']) {
  describe(`sockets of an open page, resume ${resume}`, () => {
    let stack, line, browser;

    before(async () => {
      stack = await Stack.start(['--agent', 'echo', '--limits', 'test', '--var', `container-gateway.SOCKET_RESUME=${resume}`]);
      line = await CutLine.to(stack.url);
      browser = await Browser.start(line.flags);
      console.log(`screenshots: ${browser.artifacts}`);
    });

    after(async () => {
      const ends = await Promise.allSettled([browser?.close(), line?.close(), stack?.stop()]);
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
    });

    const scene = scenes(TEST_MS, () => ({ browser, stack }), () => line.up());

    const hold = (context, token) => context.addCookies([{ name: COOKIE, value: token, url: stack.url, httpOnly: true, sameSite: 'Lax' }]);
    const log = (page) => page.evaluate(() => globalThis.log);
    const said = (page) => page.locator('molt-status').getByRole('status');
    const shown = (locator, timeout = PAGE_MS) => locator.waitFor({ state: 'visible', timeout });
    const gone = (locator, timeout = PAGE_MS) => locator.waitFor({ state: 'detached', timeout });

    /** The page of somebody, with a socket that is open, and everything that its policy or its console complained about. */
    async function open(name, token) {
      const visitor = await browser.visitor();
      const { page, context } = visitor;
      const complaints = [];
      page.on('console', (message) => /Content Security|Uncaught/.test(message.text()) && complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(`${error}`));
      await page.addInitScript(() => {
        globalThis.violations = [];
        document.addEventListener('securitypolicyviolation', ({ violatedDirective }) => globalThis.violations.push(violatedDirective));
      });
      await hold(context, token ?? stack.person(name).token);
      let response;
      page.on('response', (answer) => answer.request().isNavigationRequest() && (response = answer));
      await page.goto(stack.url, { timeout: PAGE_MS });
      await until('the page is the agent', START_MS, async () => (await page.title()) === 'Echo agent');
      await page.evaluate(keepSocket);
      await until('the socket is open', PAGE_MS, async () => (await log(page)).opens.length > 0);
      return { ...visitor, complaints, response };
    }

    /** Nothing was said against what the platform put in. */
    async function close({ page, context, complaints }) {
      assert.deepEqual([complaints, await page.evaluate(() => globalThis.violations)], [[], []]);
      await context.close();
    }

    /** Kills the agent; answers when it was ready again, as its own probe says. */
    async function killAgent(name) {
      const person = stack.person(name);
      const find = 'for p in /proc/[0-9]*; do case "$(tr "\\0" " " <"$p/cmdline")" in *echo-agen[t]*) kill -KILL "${p#/proc/}"; echo killed;; esac; done 2>/dev/null; true';
      assert.match(await exec(stack, person, find), /killed/);
      const headers = { authorization: `Bearer ${person.token}` };
      return until('the agent is ready again', START_MS, async () => {
        const answer = await fetch(`${stack.url}/readyz`, { headers }).catch(() => null);
        return answer?.ok && Date.now();
      });
    }

    scene('the page has the script first in its head, and the policy that the agent gave it', async () => {
      const ada = await open('Ada');
      const first = await ada.page.evaluate(() => document.head.firstElementChild.outerHTML);
      assert.equal(first, `<script src="/_molt/assets/socket.js" data-resume="${resume}"></script>`);
      const answered = await ada.response.allHeaders();
      assert.equal(answered['content-security-policy'], "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'");
      assert.equal(answered.etag, undefined);
      const asked = await fetch(stack.url, { headers: { authorization: `Bearer ${stack.person('Ada').token}`, accept: 'text/html' } });
      assert.ok(!(await asked.text()).includes('/_molt/'), 'a program gets the page as it is');
      await close(ada);
    });

    if (resume === 'on') {
      scene('a socket survives cuts: nothing is lost, doubled or out of order, and the page hears of none', async () => {
        const ada = await open('Ada');
        await ada.page.evaluate(() => globalThis.count());
        for (let cuts = 0; cuts < 10; cuts += 1) {
          const before = (await log(ada.page)).received.length;
          await until('numbers come back', PAGE_MS, async () => (await log(ada.page)).received.length > before + 20 + 60 * Math.random());
          line.cut();
        }
        const { sent } = await ada.page.evaluate(() => (clearInterval(globalThis.counting), globalThis.log));
        await until('all numbers are back', PAGE_MS, async () => (await log(ada.page)).received.length >= sent);
        const { received, opens, closes, gap } = await log(ada.page);
        assert.deepEqual(received, Array.from({ length: sent }, (_, n) => n));
        assert.deepEqual([opens.length, closes], [1, []]);
        assert.ok(gap <= BACK_MS, `nothing came for ${gap} ms`);
        console.log(`${sent} numbers, longest silence ${gap} ms`);
        await close(ada);
      });
    } else {
      scene('a cut is told with a legal code and a reason, and the page is back within two seconds', async () => {
        const ada = await open('Ada');
        const at = Date.now();
        line.cut();
        const { opens, closes } = await until('the socket is open again', PAGE_MS, async () => {
          const now = await log(ada.page);
          return now.opens.length > 1 && now;
        });
        assert.equal(closes.length, 1);
        assert.equal(closes[0].code, 4006);
        assert.match(closes[0].reason, /connection to your agent was lost/);
        assert.ok(opens[1] - at <= BACK_MS, `back after ${opens[1] - at} ms`);
        await close(ada);
      });

      scene('a page that waits for the network is told when the sandbox can be reached', async () => {
        const ada = await open('Ada');
        await ada.page.evaluate(() => (globalThis.patient = true));
        const at = Date.now();
        line.cut();
        const { online } = await until('the page was told', PAGE_MS, async () => {
          const now = await log(ada.page);
          return now.online.length > 0 && now;
        });
        assert.ok(online[0] - at <= BACK_MS, `told after ${online[0] - at} ms`);
        await close(ada);
      });
    }

    scene('a line that is down is shown, and gone when it is up again', async () => {
      const ada = await open('Ada');
      line.down();
      await shown(said(ada.page).filter({ hasText: 'Reconnecting' }));
      await browser.keep(ada.page, `sockets-${resume}-reconnecting`);
      line.up();
      await gone(ada.page.locator('molt-status'), 15_000);
      const { opens } = await log(ada.page);
      assert.equal(opens.length, resume === 'on' ? 1 : 2);
      await close(ada);
    });

    scene('an agent that ends is told with a legal code and a reason, and the page is back when it is ready', async () => {
      const ada = await open('Ada');
      const ready = await killAgent('Ada');
      const { opens, closes } = await until('the socket is open again', START_MS, async () => {
        const now = await log(ada.page);
        return now.opens.length > 1 && now;
      });
      assert.ok(closes.every(({ code, reason }) => (code === 1012 || code === 4006) && reason.length > 10), JSON.stringify(closes));
      const late = opens.at(-1) - ready;
      assert.ok(late <= BACK_MS, `back ${late} ms after the agent was ready`);
      console.log(`back ${late} ms after the agent was ready; told ${JSON.stringify(closes.map(({ code, reason }) => `${code} ${reason}`))}`);
      await close(ada);
    });

    scene('a refusal of the agent is put in words that somebody can act on, and the page gets the agent’s own', async () => {
      const ada = await open('Ada');
      await ada.page.evaluate(() => {
        globalThis.patient = true;
        globalThis.socket.send('close:1008:unauthorized: gateway token mismatch (open the dashboard)');
      });
      await shown(said(ada.page).filter({ hasText: 'A restart puts them right' }));
      const line = ada.page.locator('molt-status');
      await shown(line.getByText('unauthorized: gateway token mismatch (open the dashboard)'));
      assert.equal(await line.getByRole('link', { name: 'Restart the agent' }).getAttribute('href'), '/_molt/restart?next=%2F');
      await browser.keep(ada.page, `sockets-${resume}-refused`);
      const { closes } = await log(ada.page);
      assert.deepEqual(closes.map(({ code, reason }) => `${code} ${reason}`), ['1008 unauthorized: gateway token mismatch (open the dashboard)']);
      // One that is taken and stays is the end of it.
      await ada.page.evaluate(() => globalThis.open());
      await gone(line);
      await close(ada);
    });

    scene('a token that ends is said, and a renewed one goes on', async () => {
      const person = stack.person('Ada');
      const session = randomUUID();
      const ada = await open('Ada', tokenLike(stack, person.token, { endsInS: 12, session }));
      await shown(said(ada.page).filter({ hasText: 'Your session has ended. Sign in again' }), 40_000);
      const { closes } = await log(ada.page);
      if (resume === 'off') assert.equal(closes[0].code, 4401);
      const link = ada.page.locator('molt-status').getByRole('link', { name: 'Sign in' });
      assert.equal(await link.getAttribute('href'), '/login?next=%2F');
      await browser.keep(ada.page, `sockets-${resume}-expired`);
      await hold(ada.context, tokenLike(stack, person.token, { endsInS: 3600, session }));
      await ada.page.evaluate(() => globalThis.dispatchEvent(new Event('focus')));
      await gone(ada.page.locator('molt-status'));
      await until('the socket goes on', PAGE_MS, async () => (await ada.page.evaluate(() => globalThis.socket.readyState)) === 1);
      if (resume === 'on') assert.deepEqual([(await log(ada.page)).opens.length, closes], [1, []]);
      await close(ada);
    });

    scene('who signs out elsewhere is told so, and nothing is tried any more', async () => {
      const ada = await open('Ada', tokenLike(stack, stack.person('Ada').token, { endsInS: 3600 }));
      const { page } = await browser.tab(ada.context);
      await page.goto(`${stack.url}/logout`, { timeout: PAGE_MS });
      await page.getByRole('button', { name: 'Sign out' }).click({ timeout: PAGE_MS });
      await shown(said(ada.page).filter({ hasText: 'Your session has ended. Sign in again' }));
      const { closes } = await log(ada.page);
      assert.deepEqual(closes.map(({ code }) => code), [4402]);
      await browser.keep(ada.page, `sockets-${resume}-signed-out`);
      await ada.page.locator('molt-status').getByRole('link', { name: 'Sign in' }).click();
      await ada.page.waitForURL('**/login?next=*', { timeout: PAGE_MS });
      await ada.context.close();
    });

    scene('who was suspended is told so', async () => {
      const person = stack.person('Ben');
      const ben = await open('Ben');
      const response = await fetch(`${stack.url}/api/super/users/${person.id}/suspend`, {
        method: 'POST',
        headers: { 'x-admin-secret': stack.adminSecret, 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'a test' }),
      });
      assert.ok(response.ok, `${response.status} ${await response.text()}`);
      await shown(said(ben.page).filter({ hasText: /suspended/ }));
      assert.deepEqual((await log(ben.page)).closes.map(({ code }) => code), [4403]);
      await shown(ben.page.locator('molt-status').getByRole('link', { name: 'Sign out' }));
      await browser.keep(ben.page, `sockets-${resume}-suspended`);
      await ben.context.close();
    });
  });
}
