// A line between browser and stack that a test can cut and hold: TCP, so that nobody on either side is told more than the network tells.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class CutLine {
  #server;
  #pairs = new Set();
  #down = false;

  /**
   * A line to this address.
   * @param {string} address such as http://host:port
   * @returns {Promise<CutLine>}
   */
  static async to(address) {
    const { port } = new URL(address);
    const line = new CutLine();
    line.#server = createServer((near) => line.#join(near, Number(port)));
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    line.flags = [`--host-resolver-rules=MAP ${new URL(address).host} 127.0.0.1:${line.#server.address().port}`];
    return line;
  }

  /** Flags by which a browser takes this line to the address. @type {string[]} */
  flags = [];

  #join(near, port) {
    if (this.#down) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    const pair = { near, far };
    this.#pairs.add(pair);
    const end = () => {
      near.destroy();
      far.destroy();
      this.#pairs.delete(pair);
    };
    for (const one of [near, far]) one.on('error', end).on('close', end).setNoDelay(true);
    near.pipe(far).pipe(near);
  }

  /** Cuts every connection, without a farewell. @returns {number} how many */
  cut() {
    const open = [...this.#pairs];
    for (const { near, far } of open) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    return open.length;
  }

  /** Takes no connections until `up`. */
  down() {
    this.#down = true;
    this.cut();
  }

  up() {
    this.#down = false;
  }

  async close() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
