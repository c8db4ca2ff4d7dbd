// What page and sandbox agree on: crates/common/src/resume.rs has the words to it.

const SUBPROTOCOL = "molt.resume.1";
/** Bytes of data, with the overhead of each message, that may be under way without an acknowledgement. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const MESSAGE_OVERHEAD = 128;
const MESSAGE_MAX_BYTES = 32 * 1024 * 1024;
/** How long the sandbox keeps a session without a connection. */
const KEEP_MS = 60_000;
const ACK_EVERY_MESSAGES = 64;
const ACK_EVERY_BYTES = 256 * 1024;
const ACK_AFTER_MS = 1_000;
const RECONNECT_FIRST_MS = 500;
const RECONNECT_STEADY = 4;
const RECONNECT_MAX_MS = 10_000;

/** The session cannot be gone on with. */
const CLOSE_GONE = 4408;
/** Another connection goes on with the session. */
const CLOSE_TAKEN_OVER = 4409;
/** Tells the page what browsers call 1006, a number that says nothing and may never be sent: the connection broke. */
const CLOSE_LOST = 4006;
const CLOSE_RESTART = 1012;
const CLOSE_TOO_BIG = 1009;
/** The token ended; a renewed one gets in. */
const CLOSE_EXPIRED = 4401;
const CLOSE_SIGNED_OUT = 4402;
const CLOSE_SUSPENDED = 4403;

/** What the page has said and the sandbox has not: more than this is not kept for a connection that is broken. */
const HELD_MAX_BYTES = 64 * 1024 * 1024;
/** How long the sandbox may say nothing while it owes an acknowledgement. Then the connection is taken for dead. */
const SILENCE_MS = 20_000;

/**
 * Pause before connecting again; the same function as `reconnect_after_ms`.
 * @param {number} failed attempts since the last that got in
 * @returns {number} milliseconds
 */
function reconnectAfter(failed) {
  if (failed === 0) return Math.random() * RECONNECT_FIRST_MS;
  const most = Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(Math.max(failed - RECONNECT_STEADY, 0), 10), RECONNECT_MAX_MS);
  return most / 2 + (Math.random() * most) / 2;
}
