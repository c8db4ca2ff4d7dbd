// The sandbox's side of resuming sockets, as crates/common/src/resume.rs has it: what sandboxd does, small enough to be read beside the protocol. The
// agent behind it takes what arrives and says what a test has it say.

const text = new TextEncoder();
const sizeOf = (data) => (typeof data === 'string' ? text.encode(data).length : data.byteLength);
const enveloped = (data) => (typeof data === 'string' ? `d${data}` : Uint8Array.of(0, ...new Uint8Array(data)).buffer);

/** One session and the connection that it has. */
export class SandboxSide {
  session = 'f'.repeat(32);
  /** What the agent got from the page, in order. */
  arrived = [];
  /** How often the page connected to it. */
  connections = 0;
  /** What the page said about its own end. */
  closed = null;
  #wire = null;
  #exists = false;
  #kept = [];
  #acknowledged = 0;
  #sent = 0;
  #owed = 0;

  constructor({ protocol = '' } = {}) {
    this.protocol = protocol;
  }

  /** The agent says something to the page. */
  say(data) {
    this.#kept.push(data);
    if (this.#wire) this.#wire.say(enveloped(data));
    if (this.#wire) this.#sent += 1;
  }

  /** Everything that is not acknowledged. */
  get unacknowledged() {
    return this.#kept.length;
  }

  /** Takes one message of the page from its connection. */
  async take(wire, data) {
    if (typeof data !== 'string') {
      const bytes = new Uint8Array(await data.arrayBuffer());
      if (bytes[0] !== 0) throw new Error('a binary message without its mark');
      this.#data(wire, bytes.slice(1).buffer);
    } else if (data.startsWith('d')) this.#data(wire, data.slice(1));
    else this.#control(wire, JSON.parse(data.slice(1)));
  }

  #data(wire, data) {
    if (wire !== this.#wire) throw new Error('data before the welcome');
    this.arrived.push(data);
    this.#owed += sizeOf(data);
    if (this.arrived.length % 7 === 0 || this.#owed > 100_000) this.acknowledge();
  }

  acknowledge() {
    this.#owed = 0;
    this.#wire?.say(`c${JSON.stringify({ type: 'ack', received: this.arrived.length })}`);
  }

  #control(wire, said) {
    switch (said.type) {
      case 'hello':
        return this.#hello(wire, said);
      case 'ack':
        return this.#acknowledge(said.received);
      case 'close':
        this.closed = { code: said.code, reason: said.reason };
        return undefined;
      default:
        throw new Error(`the page says ${said.type}`);
    }
  }

  #hello(wire, { session, received }) {
    this.connections += 1;
    if (session !== undefined && (!this.#exists || session !== this.session)) {
      wire.say(`c${JSON.stringify({ type: 'gone', reason: 'no such session' })}`);
      wire.end(4408, 'no such session');
      return;
    }
    const resumed = session !== undefined;
    if (!resumed && this.#exists) throw new Error('a second session');
    this.#exists = true;
    this.#acknowledge(received);
    wire.say(`c${JSON.stringify({ type: 'welcome', session: this.session, resumed, received: this.arrived.length, protocol: this.protocol })}`);
    this.#wire = wire;
    for (const data of this.#kept) wire.say(enveloped(data));
    this.#sent = this.#acknowledged + this.#kept.length;
  }

  #acknowledge(received) {
    if (received < this.#acknowledged || received > Math.max(this.#sent, this.#acknowledged)) {
      throw new Error(`acknowledged ${received} of ${this.#acknowledged}..${this.#sent}`);
    }
    this.#kept.splice(0, received - this.#acknowledged);
    this.#acknowledged = received;
  }

  /** The connection is no more. */
  lost(wire) {
    if (wire === this.#wire) this.#wire = null;
  }

  /** Forgets the session, as after its time. */
  forget() {
    this.#exists = false;
  }
}
