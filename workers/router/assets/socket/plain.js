// One socket of the page over one connection, as the standard has it, but for two things: the attempt waits until the sandbox is ready, and an
// end that nobody announced is told with a code and a reason.

/** An attempt that a ready sandbox refuses so often is refused to the page. */
const MOST_REFUSED = 3;

/**
 * What an end of a connection means for the next one.
 * @param {number} code of a close frame
 * @returns {string | null} a word of `SITUATIONS`; null when nothing has to be waited for
 */
function situationAfter(code) {
  switch (code) {
    case CLOSE_EXPIRED:
      return "expired";
    case CLOSE_SIGNED_OUT:
      return "signed-out";
    case CLOSE_SUSPENDED:
      return "suspended";
    case 1001:
    case CLOSE_RESTART:
    case 1013:
      return "restart";
    case 1006:
    case 1015:
      return "lost";
    default:
      return null;
  }
}

class PlainConnection {
  #native = null;
  #cancel;
  #opened = false;
  #closing = false;
  #refused = 0;
  #seen = 0;
  #binaryType;

  /**
   * @param {{Native: typeof WebSocket, gate: Gate, refusal(said: string): void}} page
   * @param {{url: string, protocols: string[], binaryType: BinaryType}} wanted
   * @param {{opened(protocol: string, extensions: string): void, message(data: unknown): void, failed(): void, closed(code: number, reason: string, clean: boolean): void}} socket
   */
  constructor(page, wanted, socket) {
    this.page = page;
    this.wanted = wanted;
    this.socket = socket;
    this.#binaryType = wanted.binaryType;
    this.#wait();
  }

  get bufferedAmount() {
    return this.#native?.bufferedAmount ?? 0;
  }

  set binaryType(type) {
    this.#binaryType = type;
    if (this.#native) this.#native.binaryType = type;
  }

  send(data) {
    this.#native.send(data);
  }

  /** The page closes the socket; how, it has checked. */
  close(code, reason) {
    this.#cancel?.();
    this.#closing = true;
    if (this.#opened) {
      if (code === undefined) this.#native.close();
      else this.#native.close(code, reason);
      return;
    }
    const native = this.#native;
    this.#native = null;
    native?.close();
    this.page.gate.abandoned();
    queueMicrotask(() => this.#fail(1006, ""));
  }

  #wait() {
    this.#cancel = this.page.gate.pass((ready) => this.#dial(ready));
  }

  #dial(ready) {
    const { Native, gate } = this.page;
    const { url, protocols } = this.wanted;
    let native;
    try {
      native = new Native(url, protocols);
    } catch {
      // A policy of the page forbids it.
      queueMicrotask(() => this.#notTaken(true));
      return;
    }
    this.#native = native;
    native.binaryType = this.#binaryType;
    native.onopen = () => {
      if (this.#native !== native) return;
      this.#opened = true;
      gate.opened();
      this.socket.opened(native.protocol, native.extensions);
    };
    native.onmessage = ({ data }) => {
      if (this.#native !== native) return;
      if (this.#seen < FIRST_MESSAGES) this.#look(data);
      this.socket.message(data);
    };
    native.onclose = (event) => {
      if (this.#native !== native) return;
      if (this.#opened) this.#ended(event);
      else this.#notTaken(ready);
    };
  }

  #look(data) {
    this.#seen += 1;
    const said = refusalInMessage(data);
    if (said !== null) this.page.refusal(said);
  }

  #notTaken(ready) {
    this.#native = null;
    this.#refused += ready ? 1 : 0;
    this.page.gate.refused();
    if (this.#refused < MOST_REFUSED) this.#wait();
    else this.#fail(CLOSE_LOST, NOT_TAKEN_REASON);
  }

  #fail(code, reason) {
    this.socket.failed();
    this.socket.closed(code, reason, false);
  }

  #ended({ code, reason, wasClean }) {
    // What the page ends itself says nothing about the sandbox.
    if (this.#closing) return this.socket.closed(code, reason, wasClean);
    this.page.refusal(reason);
    const situation = situationAfter(code);
    if (situation) this.page.gate.broken(situation);
    if (situation === "lost") this.#fail(CLOSE_LOST, LOST_REASON);
    else this.socket.closed(code, reason, wasClean);
    return undefined;
  }
}
