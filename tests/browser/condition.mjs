// Waiting for something to become true, with a deadline.

import { setTimeout as pause } from 'node:timers/promises';

/** Between two looks; milliseconds. */
const LOOK_MS = 50;

/**
 * Looks until `condition` answers something true, and returns that.
 * @template T
 * @param {string} what is awaited, for the message
 * @param {number} limitMs
 * @param {() => T | Promise<T>} condition may throw to give up at once
 * @returns {Promise<T>}
 * @throws {Error} when it stays untrue for `limitMs`
 */
export async function until(what, limitMs, condition) {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (performance.now() >= deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await pause(LOOK_MS);
  }
}
