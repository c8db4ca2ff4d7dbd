// The model stub is what the chat's test leans on, so it is tested itself.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startModelStub } from '../fixtures/model-stub/server.mjs';

const KEY = 'key-of-the-stub-test';

describe('the model stub', () => {
  let stub;
  before(async () => (stub = await startModelStub({ apiKey: KEY })));
  after(() => stub?.close());

  const call = (path, body, key = KEY) =>
    fetch(`http://127.0.0.1:${stub.port}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  const said = (content, more = {}) => ({ model: 'stub-1', messages: [{ role: 'user', content }], ...more });

  test('repeats what was said last', async () => {
    const messages = [
      { role: 'system', content: 'be kind' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'stub heard: one' },
      { role: 'user', content: [{ type: 'text', text: 'two' }] },
    ];
    const answer = await (await call('/v1/chat/completions', { model: 'stub-1', messages })).json();
    assert.equal(answer.choices[0].message.content, 'stub heard: two');
  });

  test('finds what was asked in what an agent wraps around it', async () => {
    const messages = [
      { role: 'user', content: 'repeat: one' },
      { role: 'assistant', content: 'repeat: wrong' },
      { role: 'user', content: 'Time: now\n\nrepeat: two \n\nRuntime: x' },
      { role: 'user', content: 'no other conversations' },
    ];
    const answer = await (await call('/v1/chat/completions', { model: 'stub-1', messages })).json();
    assert.equal(answer.choices[0].message.content, 'stub heard: two');
  });

  test('streams the same text in pieces', async () => {
    const response = await call('/v1/chat/completions', said('grüße an alle 🦞', { stream: true }));
    assert.match(response.headers.get('content-type'), /^text\/event-stream/);
    const events = (await response.text()).split('\n\n').filter(Boolean);
    assert.equal(events.pop(), 'data: [DONE]');
    const pieces = events.map((event) => JSON.parse(event.slice('data: '.length)).choices[0]?.delta.content ?? '');
    assert.ok(pieces.filter(Boolean).length > 1, 'one piece is no stream');
    assert.equal(pieces.join(''), 'stub heard: grüße an alle 🦞');
  });

  test('holds a stream after its first piece until it is let go', async () => {
    const release = stub.hold('wait for it');
    const response = await call('/v1/chat/completions', said('wait for it', { stream: true }));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('"content":"stub')) text += (await reader.read()).value;
    assert.ok(!text.includes('[DONE]'));
    release();
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    assert.ok(text.includes('[DONE]'));
  });

  test('names its models', async () => {
    const { data } = await (await call('/v1/models')).json();
    assert.deepEqual(data.map((model) => model.id), ['stub-1', 'stub-2']);
  });

  test('refuses a wrong key and remembers that it did', async () => {
    for (const path of ['/v1/models', '/requests']) assert.equal((await call(path, undefined, 'wrong')).status, 401);
    const response = await call('/v1/chat/completions', said('let me in'), 'wrong');
    assert.equal(response.status, 401);
    assert.doesNotMatch(await response.text(), /let me in/);
    assert.deepEqual(stub.seen.slice(-1), [{ method: 'POST', path: '/v1/chat/completions', status: 401, streamed: false, userText: '' }]);
  });

  test('refuses what is no question to its model', async () => {
    for (const body of [said('x', { model: 'other' }), { model: 'stub-1', messages: [] }, { model: 'stub-1' }, [], 7]) {
      assert.equal((await call('/v1/chat/completions', body)).status, 400, JSON.stringify(body));
    }
    assert.equal((await call('/v1/embeddings', {})).status, 404);
  });

  test('lists what it was asked', async () => {
    await call('/v1/chat/completions', said('remember me'));
    const { requests } = await (await call('/requests')).json();
    assert.deepEqual(requests, stub.seen);
    assert.equal(requests.at(-1).userText, 'remember me');
  });
});
