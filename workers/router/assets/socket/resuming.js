// One socket of the page over one connection after another: what breaks is replaced, and both sides send again what the other has not received.

/** How long a socket that the page closes may take to say so. */
const FAREWELL_MS = 5_000;
/** How long an attempt to go on may take until it is open, and from there to its welcome. Longer, and what was under way is lost. */
const GO_ON_MS = 10_000;
/** The same for the first: the platform keeps an attempt waiting for half a minute, and the sandbox has 50 s until its agent has answered. */
const BEGIN_MS = 60_000;

class ResumingConnection {
  #native = null;
  #cancel;
  #refused = 0;
  #seen = 0;
  /** Name of the session, once there is one. */
  #session = null;
  #welcomed = false;
  #window = new SendWindow();
  #received = 0;
  #owed = { messages: 0, bytes: 0, timer: 0 };
  #silence = 0;
  #attempt = 0;
  #giveUp = 0;
  /** How the page closed it. */
  #closing = null;
  #over = false;
  #binaryType;

  /** As with `PlainConnection`. `socket.plain` is called when sockets do not resume here. */
  constructor(page, wanted, socket) {
    this.page = page;
    this.wanted = wanted;
    this.socket = socket;
    this.#binaryType = wanted.binaryType;
    this.#wait();
  }

  get bufferedAmount() {
    return this.#window.unsentBytes + (this.#welcomed ? this.#native.bufferedAmount : 0);
  }

  set binaryType(type) {
    this.#binaryType = type;
  }

  /** @param {number} bytes of the data */
  send(data, bytes) {
    if (this.#over) return;
    if (bytes > MESSAGE_MAX_BYTES) return this.#end(CLOSE_TOO_BIG, TOO_BIG_REASON, false);
    this.#window.push(typeof data === "string" ? `d${data}` : new Blob([Uint8Array.of(0), data]), bytes);
    if (!this.#welcomed && this.#window.bytes > HELD_MAX_BYTES) return this.#end(CLOSE_GONE, TOO_MUCH_REASON, false);
    this.#pump();
  }

  close(code, reason) {
    if (!this.#session) {
      // As a socket that is closed before it was open.
      this.#drop();
      this.page.gate.abandoned();
      queueMicrotask(() => this.#fail(1006, ""));
      return;
    }
    this.#closing = { code, reason: reason ?? "", said: false };
    setTimeout(() => this.#farewell(false), FAREWELL_MS);
    this.#pump();
  }

  /** The network has changed: what the connection was opened over may be gone without a word. */
  renew() {
    if (this.#native && this.#session && !this.#closing) this.#broke("lost");
  }

  #wait() {
    this.#cancel = this.page.gate.pass((ready) => this.#dial(ready));
  }

  #dial(ready) {
    const { url, protocols } = this.wanted;
    let native;
    try {
      native = new this.page.Native(url, [...protocols, SUBPROTOCOL]);
    } catch {
      queueMicrotask(() => this.#notTaken(true));
      return;
    }
    this.#native = native;
    this.#expect(ready);
    native.binaryType = "arraybuffer";
    const mine = (act) => (event) => {
      if (this.#native === native && !this.#over) act(event);
    };
    native.onopen = mine(() => {
      this.#expect(ready);
      const session = this.#session ?? undefined;
      native.send(`c${JSON.stringify({ type: "hello", session, received: this.#received })}`);
    });
    native.onmessage = mine(({ data }) => this.#message(data));
    native.onclose = mine((event) => this.#closed(event, ready));
  }

  /** Waits anew for the attempt to get on; what comes too late is taken for lost. */
  #expect(ready) {
    clearTimeout(this.#attempt);
    this.#attempt = setTimeout(() => this.#closed({ code: 1006 }, ready), this.#session ? GO_ON_MS : BEGIN_MS);
  }

  #message(data) {
    this.#listen();
    if (typeof data !== "string") return this.#data(data.slice(1), data.byteLength - 1);
    if (data[0] === "d") return this.#data(data.slice(1), data.length - 1);
    const said = JSON.parse(data.slice(1));
    switch (said.type) {
      case "welcome":
        return this.#welcome(said);
      case "ack":
        if (!this.#window.acknowledge(said.received)) return this.#end(CLOSE_GONE, TOO_LATE_REASON, false);
        this.#listen();
        return this.#pump();
      case "gone":
        return this.#gone(said);
      case "close":
        if (said.retryAfterMs !== undefined) this.page.gate.broken("restart", said.retryAfterMs);
        return this.#end(said.code, said.reason, true);
      default:
        // A later release may say more.
        return undefined;
    }
  }

  #welcome({ session, resumed, received, protocol }) {
    if ((this.#session !== null && !resumed) || !this.#window.acknowledge(received)) {
      return this.#end(CLOSE_GONE, TOO_LATE_REASON, false);
    }
    const first = this.#session === null;
    clearTimeout(this.#attempt);
    clearTimeout(this.#giveUp);
    this.#giveUp = 0;
    this.#session = session;
    this.#welcomed = true;
    this.#refused = 0;
    this.page.gate.opened();
    if (first) this.socket.opened(protocol, this.#native.extensions);
    this.#pump();
    return undefined;
  }

  #gone({ reason, plain }) {
    if (this.#session !== null) return this.#end(CLOSE_GONE, reason || TOO_LATE_REASON, false);
    // Nothing was lost: no session had begun.
    this.#drop();
    if (plain) this.socket.plain();
    else this.#notTaken(true);
    return undefined;
  }

  #data(data, bytes) {
    // Counted before it is handed on: what the page does with it may break the connection.
    this.#received += 1;
    this.#owe(bytes);
    if (this.#closing) return;
    if (this.#seen < FIRST_MESSAGES) {
      this.#seen += 1;
      const said = refusalInMessage(data);
      if (said !== null) this.page.refusal(said);
    }
    this.socket.message(typeof data === "string" || this.#binaryType === "arraybuffer" ? data : new Blob([data]));
  }

  #owe(bytes) {
    const owed = this.#owed;
    owed.messages += 1;
    owed.bytes += bytes + MESSAGE_OVERHEAD;
    if (owed.messages >= ACK_EVERY_MESSAGES || owed.bytes >= ACK_EVERY_BYTES) this.#acknowledge();
    else if (owed.messages === 1) owed.timer = setTimeout(() => this.#acknowledge(), ACK_AFTER_MS);
  }

  #acknowledge() {
    clearTimeout(this.#owed.timer);
    this.#owed = { messages: 0, bytes: 0, timer: 0 };
    if (this.#welcomed) this.#native.send(`c${JSON.stringify({ type: "ack", received: this.#received })}`);
  }

  #pump() {
    if (!this.#welcomed) return;
    const owed = this.#window.owed;
    this.#window.pump((envelope) => this.#native.send(envelope));
    if (!owed) this.#listen();
    if (this.#closing && !this.#closing.said && this.#window.drained) {
      this.#closing.said = true;
      const { code = 1000, reason } = this.#closing;
      this.#native.send(`c${JSON.stringify({ type: "close", code, reason })}`);
      this.#native.close(code, reason);
    }
  }

  /** Waits anew for a word of the sandbox, while it owes one. */
  #listen() {
    clearTimeout(this.#silence);
    if (this.#window.owed && this.#welcomed) this.#silence = setTimeout(() => this.#broke("lost"), SILENCE_MS);
  }

  #closed({ code, reason, wasClean }, ready) {
    if (this.#closing?.said) return this.#farewell(wasClean);
    const situation = situationAfter(code);
    switch (code) {
      case CLOSE_SIGNED_OUT:
      case CLOSE_SUSPENDED:
        this.page.gate.broken(situation);
        return this.#end(code, reason, true);
      case CLOSE_TAKEN_OVER:
      case CLOSE_GONE:
      case CLOSE_TOO_BIG:
      case 1002:
      case 1003:
      case 1007:
        // The next connection would end the same way.
        return this.#end(code, reason, true);
      default:
        return this.#welcomed || this.#session ? this.#broke(situation ?? "lost") : this.#notTaken(ready && situation === "lost");
    }
  }

  /** The connection is gone, or taken to be. */
  #broke(situation) {
    const attempted = !this.#welcomed;
    this.#drop();
    if (this.#closing?.said) return this.#farewell(false);
    this.#giveUpLater();
    if (attempted && situation === "lost") this.page.gate.refused();
    else this.page.gate.broken(situation);
    this.#wait();
    return undefined;
  }

  #giveUpLater() {
    if (this.#giveUp) return;
    this.#giveUp = setTimeout(() => this.#end(CLOSE_GONE, TOO_LATE_REASON, false), KEEP_MS);
  }

  #notTaken(ready) {
    this.#drop();
    this.#refused += ready ? 1 : 0;
    this.page.gate.refused();
    if (this.#refused < MOST_REFUSED) this.#wait();
    else this.#fail(CLOSE_LOST, NOT_TAKEN_REASON);
  }

  /** Lets go of the connection; what it still says is nothing to us. */
  #drop() {
    this.#cancel?.();
    clearTimeout(this.#attempt);
    clearTimeout(this.#silence);
    clearTimeout(this.#owed.timer);
    this.#owed = { messages: 0, bytes: 0, timer: 0 };
    this.#welcomed = false;
    this.#window.restart();
    const native = this.#native;
    this.#native = null;
    native?.close();
  }

  #fail(code, reason) {
    this.#over = true;
    this.socket.failed();
    this.socket.closed(code, reason, false);
  }

  #farewell(clean) {
    if (!this.#over) this.#end(this.#closing.code ?? 1005, this.#closing.code === undefined ? "" : this.#closing.reason, clean);
  }

  #end(code, reason, clean) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#giveUp);
    this.#drop();
    this.page.refusal(reason);
    if (!clean && !this.#closing) this.socket.failed();
    this.socket.closed(code, reason, clean);
  }
}
