// What axe-core finds wrong with a page for people who see, hear or move otherwise than most.

import assert from 'node:assert/strict';
import axe from 'axe-core';

/** Rules of WCAG 2.2 up to AA, and the practices that axe knows beyond them. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * Asserts that axe finds nothing, in light and in dark colours.
 * @param {import('playwright-core').Page} page
 */
export async function assertAccessible(page) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const { violations, passes } = await page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags }), TAGS);
    const told = violations.map(({ id, nodes }) => `${colorScheme}: ${id}: ${nodes.map((node) => `${node.html} (${node.failureSummary})`).join('; ')}`);
    assert.deepEqual(told, []);
    assert.ok(passes.length > 5, 'axe looked at nothing');
  }
  await page.emulateMedia({ colorScheme: null });
}
