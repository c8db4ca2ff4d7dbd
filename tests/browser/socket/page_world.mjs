// A page for the script of `workers/router/assets/socket`, without a browser: a clock that only moves when it is told, a platform that answers
// `/_molt/boot`, and connections that a test opens, feeds and cuts.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createContext, runInContext } from 'node:vm';

const ROOT = resolve(import.meta.dirname, '../../..');
const ROUTER = join(ROOT, 'workers/router/src/pages/asset.rs');

/** The script as the router serves it: its list of parts is read, not repeated. @returns {string} */
export function script() {
  const parts = [...readFileSync(ROUTER, 'utf8').matchAll(/include_str!\("([^"]*assets\/socket\/[^"]*)"\)/g)];
  const texts = parts.map(([, path]) => readFileSync(resolve(ROUTER, '..', path), 'utf8'));
  return `(() => {"use strict";\n${texts.join('')}})();`;
}

/** Timers that run when the clock is moved, in order. */
export class Clock {
  now = 1_000_000;
  #next = 1;
  #timers = new Map();

  set(act, ms = 0, ...given) {
    const id = this.#next++;
    this.#timers.set(id, { at: this.now + Math.max(0, ms), act: () => act(...given) });
    return id;
  }

  clear(id) {
    this.#timers.delete(id);
  }

  /** Lets so many milliseconds pass, and everything that was promised meanwhile happen. */
  async pass(ms) {
    const until = this.now + ms;
    for (;;) {
      await settled();
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = due[1].at;
      due[1].act();
    }
    this.now = until;
    await settled();
  }
}

/** Until every promise that can be kept now has been. */
async function settled() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((done) => setImmediate(done));
}

/** A connection as the browser would have it. The test plays the other side. */
export class Wire extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  #state = 0;
  #handlers = {};
  url = '';
  protocols;
  bufferedAmount = 0;
  binaryType = 'blob';
  protocol = '';
  extensions = '';
  /** What the page sent and the other side has not taken yet. */
  sent = [];

  constructor(url, protocols, world) {
    super();
    Object.assign(this, { url, protocols });
    world.wires.push(this);
  }

  static {
    for (const type of ['open', 'message', 'error', 'close']) {
      Object.defineProperty(this.prototype, `on${type}`, {
        get() {
          return this.#handlers[type] ?? null;
        },
        set(handler) {
          this.#handlers[type] = handler;
        },
      });
    }
  }

  // As in a browser: on the prototype, for objects of this class alone.
  get readyState() {
    return this.#state;
  }

  send(data) {
    if (this.readyState === 1) this.sent.push(data);
  }

  close(code, reason) {
    if (this.readyState >= 2) return;
    this.#state = 2;
    this.closedBy = { code, reason };
  }

  /** The other side takes the connection. */
  accept(protocol = '') {
    this.protocol = protocol;
    this.#state = 1;
    this.onopen?.({ type: 'open' });
  }

  /** The other side says something. */
  say(data) {
    if (this.readyState === 1) this.onmessage?.({ type: 'message', data });
  }

  /** The connection is at its end. */
  end(code = 1006, reason = '') {
    if (this.readyState === 3) return;
    this.#state = 3;
    this.onclose?.({ type: 'close', code, reason, wasClean: code !== 1006 });
  }
}

/** One page. */
export class World {
  clock = new Clock();
  /** @type {Wire[]} */
  wires = [];
  /** What `/_molt/boot` answers: status and document, or an error. */
  boot = { status: 200, body: { lifecycle: 'running' } };
  asked = 0;
  /** How often the page was told that the network is back. */
  nudged = 0;
  #events = new EventTarget();

  /** @param {{resume?: boolean, random?: () => number}} [options] */
  constructor({ resume = false, random = () => 0.5 } = {}) {
    const { clock } = this;
    const world = this;
    const window = new EventTarget();
    window.addEventListener('online', (event) => (this.nudged += event.isTrusted ? 0 : 1));
    const document = Object.assign(new EventTarget(), {
      baseURI: 'https://agent.example/',
      body: null,
      visibilityState: 'visible',
      currentScript: { dataset: { resume: resume ? 'on' : 'off' } },
    });
    class Native extends Wire {
      constructor(url, protocols) {
        super(url, protocols, world);
      }
    }
    this.window = Object.assign(window, {
      URL, Event, EventTarget, MessageEvent, CloseEvent, DOMException, Blob, TextEncoder, AbortSignal, Symbol,
      document,
      location: new URL('https://agent.example/chat?x=1'),
      navigator: { onLine: true },
      origin: 'https://agent.example',
      WebSocket: Native,
      // As an array: what crosses the border of a context keeps its own kinds.
      ArrayBuffer, Uint8Array,
      queueMicrotask,
      setTimeout: (...given) => clock.set(...given),
      clearTimeout: (id) => clock.clear(id),
      requestAnimationFrame: (act) => clock.set(act, 16),
      fetch: async () => this.#answer(),
    });
    const context = createContext(window);
    context.globalThis = context;
    context.top = null;
    runInContext('globalThis.Date = class extends Date { static now() { return clockNow(); } }; Math.random = () => random();', Object.assign(context, { clockNow: () => clock.now, random }));
    runInContext(script(), context, { filename: 'socket.js' });
    this.context = context;
  }

  #answer() {
    this.asked += 1;
    if (this.boot instanceof Error) throw this.boot;
    const { status, body, headers = {} } = this.boot;
    return new Response(JSON.stringify(body ?? {}), { status, headers: { 'x-request-id': `r${this.asked}`, ...headers } });
  }

  /** As the browser says it: no script can make such an event. */
  networkIsBack() {
    const event = new Event('online');
    this.window.dispatchEvent(new Proxy(event, { get: (target, name) => (name === 'isTrusted' ? true : Reflect.get(target, name, target)) }));
  }

  /** The newest connection. */
  get wire() {
    return this.wires.at(-1);
  }

  /** A socket of the page, and what it told it. */
  open(url = 'wss://agent.example/', protocols = undefined) {
    const socket = new this.context.WebSocket(url, protocols);
    const seen = [];
    for (const type of ['open', 'message', 'error', 'close']) {
      socket.addEventListener(type, (event) => seen.push(type === 'message' ? event.data : type === 'close' ? `close ${event.code} ${event.reason}` : type));
    }
    return { socket, seen };
  }
}
