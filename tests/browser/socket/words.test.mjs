// What the agent says when it refuses a page, in words that somebody can act on.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

const WORDS = join(resolve(import.meta.dirname, '../../..'), 'workers/router/assets/socket/words.js');
const { refusalIn, refusalInMessage } = runInNewContext(`${readFileSync(WORDS, 'utf8')}; ({ refusalIn, refusalInMessage })`);

test('every refusal that is known has words, something to do, and the agent’s own text', () => {
  const said = [
    'unauthorized: gateway token missing (open the dashboard URL)',
    'unauthorized: gateway token mismatch (open the dashboard URL)',
    'pairing required',
    'device identity required',
    'origin not allowed (open the Control UI from the gateway host)',
    'protocol mismatch',
    'control ui requires HTTPS or localhost (secure context)',
    'slow consumer',
  ];
  const words = said.map((text) => refusalIn(text));
  for (const [n, found] of words.entries()) {
    assert.ok(found, said[n]);
    assert.ok(found.links.length > 0 && found.detail === said[n], said[n]);
  }
  assert.equal(new Set(words.map(({ text }) => text)).size, said.length - 1);
  for (const other of ['', 'bye', 'signed out', 'token']) assert.equal(refusalIn(other), null, other);
});

test('a refusal is found in an answer of the agent, and nowhere else', () => {
  const answer = { type: 'res', id: '1', ok: false, error: { code: 'NOT_PAIRED', message: 'pairing required' } };
  assert.equal(refusalInMessage(JSON.stringify(answer)), 'NOT_PAIRED: pairing required');
  for (const other of ['{"error"', '{"type":"event","payload":"\\"error\\""}', '{"error":7}', `{"error":{"message":"${'x'.repeat(9000)}"}}`, new ArrayBuffer(3)]) {
    assert.equal(refusalInMessage(other), null);
  }
});
