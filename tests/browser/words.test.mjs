// What a page offers somebody whose connection is broken.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

const source = readFileSync(new URL('../../workers/router/assets/socket/words.js', import.meta.url), 'utf8');
const situations = runInNewContext(`${source}\nSITUATIONS`);
const offers = (name) => situations[name].links.some((link) => link.path === '/_molt/restart');

test('a restart is offered where it may help, and not while one goes on', () => {
  assert.deepEqual(['lost', 'failed'].filter((name) => !offers(name)), []);
  assert.deepEqual(['restart', 'starting'].filter(offers), []);
});
