// The `WebSocket` that the page sees: the standard's interface (https://websockets.spec.whatwg.org) over a connection of ours.

const EVENTS = ["open", "message", "error", "close"];
const REASON_MAX_BYTES = 123;

const utf8 = new TextEncoder();

/** Addresses of the page's own host, which alone are the agent's. @returns {URL | null} */
function ownAddress(url) {
  let parsed;
  try {
    parsed = new URL(url, document.baseURI);
  } catch {
    return null;
  }
  const scheme = { "ws:": "http:", "wss:": "https:" }[parsed.protocol] ?? parsed.protocol;
  if (scheme !== location.protocol || parsed.host !== location.host || parsed.hash) return null;
  parsed.protocol = scheme === "https:" ? "wss:" : "ws:";
  return parsed;
}

/** The protocols, when the standard takes them. @returns {string[] | null} */
function goodProtocols(protocols) {
  const list = protocols === undefined ? [] : typeof protocols === "string" ? [protocols] : [...protocols].map(String);
  const tokens = list.every((name) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name));
  return tokens && new Set(list.map((name) => name.toLowerCase())).size === list.length ? list : null;
}

/**
 * The class that takes the place of `WebSocket`.
 * @param {{Native: typeof WebSocket, gate: Gate, resume: boolean, refusal(said: string): void, sockets: Set<object>}} page
 */
function socketClass(page) {
  const { Native } = page;
  let renew;

  class WebSocket extends EventTarget {
    #url;
    #state = Native.CONNECTING;
    #connection;
    #binaryType = "blob";
    #protocol = "";
    #extensions = "";
    /** Bytes that were given to `send` after the end: they count and go nowhere. */
    #lateBytes = 0;
    #handlers = new Map();

    constructor(url, protocols = undefined) {
      const own = arguments.length > 0 ? ownAddress(`${url}`) : null;
      const list = own ? goodProtocols(protocols) : null;
      // What is not ours, or not allowed, is the browser's to open or refuse.
      if (!list) return Reflect.construct(Native, arguments, new.target);
      super();
      this.#url = own.href;
      this.#connect({ url: own.href, protocols: list, binaryType: "blob" }, page.resume);
      page.sockets.add(this);
    }

    #connect(wanted, resume) {
      const Connection = resume ? ResumingConnection : PlainConnection;
      this.#connection = new Connection(page, wanted, {
        opened: (protocol, extensions) => {
          if (this.#state !== Native.CONNECTING) return;
          this.#state = Native.OPEN;
          this.#protocol = protocol;
          this.#extensions = extensions;
          this.dispatchEvent(new Event("open"));
        },
        message: (data) => {
          if (this.#state === Native.OPEN) this.dispatchEvent(new MessageEvent("message", { data, origin: new URL(this.#url).origin }));
        },
        failed: () => {
          this.#state = Native.CLOSED;
          this.dispatchEvent(new Event("error"));
        },
        closed: (code, reason, wasClean) => {
          this.#state = Native.CLOSED;
          page.sockets.delete(this);
          this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean }));
        },
        plain: () => {
          page.resume = false;
          this.#connect({ ...wanted, binaryType: this.#binaryType }, false);
        },
      });
    }

    get url() {
      return this.#url;
    }

    get readyState() {
      return this.#state;
    }

    get bufferedAmount() {
      return this.#connection.bufferedAmount + this.#lateBytes;
    }

    get extensions() {
      return this.#extensions;
    }

    get protocol() {
      return this.#protocol;
    }

    get binaryType() {
      return this.#binaryType;
    }

    set binaryType(type) {
      if (type !== "blob" && type !== "arraybuffer") return;
      this.#binaryType = type;
      this.#connection.binaryType = type;
    }

    send(data) {
      if (arguments.length === 0) throw new TypeError("1 argument required, but only 0 present.");
      if (this.#state === Native.CONNECTING) throw new DOMException("Still in CONNECTING state.", "InvalidStateError");
      const binary = data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data);
      const content = binary ? data : `${data}`.toWellFormed();
      const bytes = binary ? (data.size ?? data.byteLength) : content.length;
      if (this.#state === Native.OPEN) this.#connection.send(content, bytes);
      else this.#lateBytes += binary ? bytes : utf8.encode(content).byteLength;
    }

    close(code = undefined, reason = undefined) {
      const number = code === undefined ? undefined : Math.min(Math.max(Math.round(Number(code)) || 0, 0), 65_535);
      if (number !== undefined && number !== 1000 && !(number >= 3000 && number <= 4999)) {
        throw new DOMException(`The code must be 1000, or between 3000 and 4999; ${number} is neither.`, "InvalidAccessError");
      }
      const text = reason === undefined ? undefined : `${reason}`.toWellFormed();
      if (text !== undefined && utf8.encode(text).byteLength > REASON_MAX_BYTES) {
        throw new DOMException(`The reason must not be longer than ${REASON_MAX_BYTES} bytes.`, "SyntaxError");
      }
      if (this.#state >= Native.CLOSING) return;
      this.#state = Native.CLOSING;
      this.#connection.close(number ?? (text ? 1000 : undefined), text);
    }

    static {
      renew = (socket) => socket.#state === Native.OPEN && socket.#connection.renew?.();
      for (const type of EVENTS) {
        Object.defineProperty(this.prototype, `on${type}`, {
          get() {
            return this.#handlers.get(type) ?? null;
          },
          set(handler) {
            // It keeps the place among the listeners that it had first.
            if (!this.#handlers.has(type)) this.addEventListener(type, (event) => this.#handlers.get(type)?.call(this, event));
            this.#handlers.set(type, typeof handler === "function" ? handler : null);
          },
          enumerable: true,
          configurable: true,
        });
      }
      // Sockets that are the browser's own have this prototype as well.
      inheritFrom(Native.prototype, this.prototype, (socket) => #state in socket);
    }
  }
  return { WebSocket, renew };
}

/** Has every accessor and method of `prototype` do what it does for objects that are `ours`, and what that of `native` does for others. */
function inheritFrom(native, prototype, ours) {
  for (const [name, own] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    const theirs = name === "constructor" ? undefined : descriptorOf(native, name);
    if (!theirs) continue;
    const either = (mine, other) =>
      mine &&
      function (...given) {
        return (ours(this) ? mine : other).apply(this, given);
      };
    const both = own.value
      ? { ...own, value: either(own.value, theirs.value) }
      : { ...own, get: either(own.get, theirs.get), set: either(own.set, theirs.set) };
    Object.defineProperty(prototype, name, { ...both, enumerable: true });
  }
  Object.setPrototypeOf(prototype, native);
}

function descriptorOf(object, name) {
  for (let holder = object; holder; holder = Object.getPrototypeOf(holder)) {
    const found = Object.getOwnPropertyDescriptor(holder, name);
    if (found) return found;
  }
  return undefined;
}
