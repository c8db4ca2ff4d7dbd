// A test whose failure comes with pictures of all pages and the end of the stack's logs.

import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

/**
 * @param {number} limitMs of each
 * @param {() => {browser: import('./chromium.mjs').Browser, stack: import('./stack.mjs').Stack}} seen what a failure is told with, as it is then
 * @param {() => void} [first] what comes before each
 * @returns {(name: string, body: () => Promise<void> | void) => void} declares one
 */
export function scenes(limitMs, seen, first = () => undefined) {
  return (name, body) =>
    test(name, { timeout: limitMs }, async () => {
      first();
      try {
        await body();
      } catch (error) {
        const { browser, stack } = seen();
        const pictures = await browser.keepAll(`failed-${randomBytes(6).toString('hex')}`);
        throw new Error([error.message, '--- pages', ...pictures, stack.tail()].join('\n'), { cause: error });
      }
    });
}
