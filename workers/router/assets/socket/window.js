// What a page has written and the sandbox has not acknowledged: kept in order, sent within the window, sent again after a break.

class SendWindow {
  /** @type {{envelope: string | Blob, bytes: number}[]} everything not acknowledged, oldest first */
  #kept = [];
  /** Messages that were acknowledged; the number of the first one kept. */
  #acknowledged = 0;
  /** Messages that were ever sent. */
  #everSent = 0;
  /** How many of those kept are under way on this connection, and what they cost. */
  #underWay = 0;
  #cost = 0;
  #bytes = 0;

  /** Bytes that are not under way. */
  get unsentBytes() {
    return this.#bytes - (this.#cost - this.#underWay * MESSAGE_OVERHEAD);
  }

  /** Bytes of everything kept. */
  get bytes() {
    return this.#bytes;
  }

  /** Whether the sandbox owes an acknowledgement. */
  get owed() {
    return this.#underWay > 0;
  }

  /** Whether all has been sent. */
  get drained() {
    return this.#underWay === this.#kept.length;
  }

  push(envelope, bytes) {
    this.#kept.push({ envelope, bytes });
    this.#bytes += bytes;
  }

  /** Hands out what may be sent now. @param {(envelope: string | Blob) => void} send */
  pump(send) {
    while (!this.drained) {
      const { envelope, bytes } = this.#kept[this.#underWay];
      const cost = bytes + MESSAGE_OVERHEAD;
      if (this.#underWay > 0 && this.#cost + cost > WINDOW_BYTES) return;
      this.#underWay += 1;
      this.#cost += cost;
      this.#everSent = Math.max(this.#everSent, this.#acknowledged + this.#underWay);
      send(envelope);
    }
  }

  /** A new connection: nothing is under way. */
  restart() {
    this.#underWay = 0;
    this.#cost = 0;
  }

  /**
   * The sandbox has received so many messages.
   * @returns {boolean} false when that cannot be: more than were sent, or fewer than it said before
   */
  acknowledge(received) {
    if (!Number.isSafeInteger(received) || received < this.#acknowledged || received > this.#everSent) return false;
    const gone = this.#kept.splice(0, received - this.#acknowledged);
    this.#acknowledged = received;
    const wereUnderWay = gone.slice(0, this.#underWay);
    this.#underWay -= wereUnderWay.length;
    this.#cost -= wereUnderWay.reduce((sum, { bytes }) => sum + bytes + MESSAGE_OVERHEAD, 0);
    this.#bytes -= gone.reduce((sum, { bytes }) => sum + bytes, 0);
    return true;
  }
}
