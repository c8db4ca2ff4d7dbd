// What a page did, recorded from its first request on.

/** How a sandbox that is not ready answers a navigation: with the boot page. */
const BOOT_STATUS = 503;

/**
 * @typedef {object} Socket
 * @property {string} url
 * @property {string[]} received text frames, in order
 * @property {boolean} open
 * @property {number} [firstAt] when the first frame came; milliseconds
 */

/** Records one page: addresses it asked for, its sockets, and what went wrong on pages of ours. */
export class PageWatch {
  /** Every address that the page asked for, sockets included. @type {string[]} */
  addresses = [];
  /** Every socket that it opened, in order. @type {Socket[]} */
  sockets = [];
  /** Errors in the console and broken policies while a page of the platform was shown; the agent's own are not ours. @type {string[]} */
  problems = [];
  /** Paths of the platform's own pages that were shown, in order. @type {string[]} */
  ownPages = [];
  #shown = { own: false, address: '', status: 0 };

  /** @param {import('playwright-core').Page} page that has not gone anywhere yet */
  constructor(page) {
    page.on('request', (request) => this.addresses.push(request.url()));
    page.on('response', (response) => this.#onResponse(page, response));
    page.on('console', (message) => this.#onConsole(message));
    page.on('pageerror', (error) => this.#note(`${error}`));
    page.on('websocket', (socket) => this.#onSocket(socket));
  }

  /** Sockets over which the agent has admitted the page. */
  get admitted() {
    return this.sockets.filter((socket) => socket.received.some((frame) => frame.includes('"type":"hello-ok"')));
  }

  #onResponse(page, response) {
    const request = response.request();
    if (!request.isNavigationRequest() || request.frame() !== page.mainFrame()) return;
    const own = response.headers()['x-molt-backend'] === 'router' || response.status() === BOOT_STATUS;
    this.#shown = { own, address: response.url(), status: response.status() };
    if (own) this.ownPages.push(new URL(response.url()).pathname);
  }

  #onConsole(message) {
    if (message.type() !== 'error') return;
    // The browser reports the status of the boot page itself; that it is none of success is meant.
    const isBootStatus = this.#shown.status === BOOT_STATUS && message.location().url.split('#')[0] === this.#shown.address;
    if (!isBootStatus || !message.text().startsWith('Failed to load resource')) {
      this.#note(`${message.text()} (${message.location().url})`);
    }
  }

  #note(problem) {
    if (this.#shown.own) this.problems.push(`on ${this.#shown.address}: ${problem}`);
  }

  #onSocket(socket) {
    const seen = { url: socket.url(), received: [], open: true };
    this.sockets.push(seen);
    this.addresses.push(seen.url);
    socket.on('framereceived', ({ payload }) => {
      seen.firstAt ??= Date.now();
      seen.received.push(payload.toString());
    });
    socket.on('close', () => (seen.open = false));
  }
}
