// The browser, and what of it is kept for people to look at.

import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { PageWatch } from './page_watch.mjs';

/** Without a sandbox of its own because tests may run as root; quiet because nothing but the stack shall be asked. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** A browser with a profile of its own, which goes away with it. */
export class Browser {
  #browser;
  #artifacts;
  /** @type {import('playwright-core').Page[]} */
  #pages = [];

  constructor(browser, artifacts) {
    this.#browser = browser;
    this.#artifacts = artifacts;
  }

  /**
   * Starts CHROME_BIN. Screenshots go to MOLT_ARTIFACTS, or to a new folder for temporary files.
   * @param {string[]} [further] flags
   * @returns {Promise<Browser>}
   */
  static async start(further = []) {
    const executablePath = process.env.CHROME_BIN || CANDIDATES.find((path) => existsSync(path));
    if (!executablePath) throw new Error('there is no Chromium: run scripts/setup --for test, or set CHROME_BIN');
    const artifacts = process.env.MOLT_ARTIFACTS || mkdtempSync(join(tmpdir(), 'molt-screenshots-'));
    mkdirSync(artifacts, { recursive: true });
    return new Browser(await chromium.launch({ executablePath, args: [...FLAGS, ...further] }), artifacts);
  }

  /** Folder of the screenshots. */
  get artifacts() {
    return this.#artifacts;
  }

  /**
   * A page of somebody who shares nothing with anybody before.
   * @param {{javaScriptEnabled?: boolean}} [options]
   * @returns {Promise<{context: import('playwright-core').BrowserContext, page: import('playwright-core').Page, watch: PageWatch}>}
   */
  async visitor(options = {}) {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    return this.tab(context);
  }

  /**
   * A further page of somebody.
   * @param {import('playwright-core').BrowserContext} context
   */
  async tab(context) {
    const page = await context.newPage();
    this.#pages.push(page);
    return { context, page, watch: new PageWatch(page) };
  }

  /** Keeps a picture of a page. @returns {Promise<string>} its path */
  async keep(page, name) {
    const path = join(this.#artifacts, `${name}.png`);
    await page.screenshot({ path });
    return path;
  }

  /** Pictures of all open pages after a failure. @returns {Promise<string[]>} address and path of each */
  async keepAll(name) {
    const open = this.#pages.filter((page) => !page.isClosed());
    const kept = open.map(async (page, n) => {
      const path = await this.keep(page, `${name}-${n + 1}`).catch((error) => `no picture: ${error.message}`);
      return `${page.url()}: ${path}`;
    });
    return Promise.all(kept);
  }

  async close() {
    await this.#browser.close();
  }
}
