// Uploads in parts with the protocol's reference client, over connections that are cut in the middle.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { Upload } from 'tus-js-client';
import { until } from './condition.mjs';
import { Stack } from './stack.mjs';

const MIB = 1 << 20;
const TEST_MS = 120_000;

/** A way to the router that breaks when it is told to: both ends see a reset. */
class Line {
  #server;
  #sockets = new Set();
  #bytes = 0;
  #limit = Infinity;
  cuts = 0;

  static async to(port) {
    const line = new Line();
    line.#server = createServer((client) => {
      const router = connect(port, '127.0.0.1');
      const both = [client, router];
      for (const [from, to] of [[client, router], [router, client]]) {
        line.#sockets.add(from);
        from.on('data', (piece) => {
          if (from === client && (line.#bytes += piece.length) > line.#limit) return line.cut();
          if (!to.write(piece)) from.pause();
        });
        to.on('drain', () => from.resume());
        from.on('end', () => to.end());
        from.on('error', () => undefined);
        from.on('close', () => {
          line.#sockets.delete(from);
          both.forEach((one) => one.destroy());
        });
      }
    });
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Breaks after so many further bytes of the client. */
  cutAfter(bytes) {
    this.#bytes = 0;
    this.#limit = bytes;
  }

  cut() {
    this.cuts += 1;
    this.#limit = Infinity;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close() {
    this.cut();
    this.#server.close();
  }
}

describe('uploads in parts', () => {
  let stack, line, ada, headers;

  before(async () => {
    stack = await Stack.start(['--agent', 'echo', '--limits', 'test']);
    line = await Line.to(Number(new URL(stack.url).port));
    ada = stack.person('Ada');
    headers = { authorization: `Bearer ${ada.token}`, host: new URL(stack.url).host };
  });

  after(async () => {
    line?.close();
    await stack?.stop();
  });

  /** Uploads all of it and answers with its address. */
  function upload(data, options) {
    return new Promise((resolve, reject) => {
      const one = new Upload(data, {
        endpoint: `${line.url}/_molt/uploads`,
        headers,
        metadata: { target: '/sink', method: 'PUT', filetype: 'application/x-thing' },
        retryDelays: [0, 200, 500, 1000, 2000],
        onError: reject,
        onSuccess: () => resolve(new URL(one.url).pathname),
        ...options,
      });
      one.start();
    });
  }

  async function answer(path) {
    return until('the agent has answered', 30_000, async () => {
      const response = await fetch(`${stack.url}${path}/answer?wait=5`, { headers: { authorization: headers.authorization } });
      return response.status === 202 ? undefined : { status: response.status, body: await response.json() };
    });
  }

  test('bytes survive connections that are cut in the middle', { timeout: TEST_MS }, async () => {
    const data = randomBytes(40 * MIB);
    let reached = 0;
    line.cuts = 0;
    line.cutAfter(3 * MIB);
    const path = await upload(data, {
      chunkSize: 8 * MIB,
      onChunkComplete: (_, accepted) => {
        // In the middle of each further part as well.
        if (accepted < data.length && accepted > reached) line.cutAfter(5 * MIB);
        reached = accepted;
      },
    });
    assert.ok(line.cuts >= 3, `the connection was cut ${line.cuts} times`);
    const first = await answer(path);
    assert.equal(first.status, 200);
    assert.equal(first.body.bytes, data.length);
    assert.equal(first.body.sha256, createHash('sha256').update(data).digest('hex'));
    assert.equal(first.body.contentType, 'application/x-thing');
    assert.equal(first.body.requests, 1, 'the agent got it once');
    assert.deepEqual(await answer(path), first);
  });

  test('an upload that was left goes on in another client', { timeout: TEST_MS }, async () => {
    line.cutAfter(Infinity);
    const data = randomBytes(6 * MIB);
    let begun;
    await new Promise((resolve, reject) => {
      begun = new Upload(data, {
        endpoint: `${line.url}/_molt/uploads`,
        headers,
        chunkSize: 2 * MIB,
        metadata: { target: '/sink', method: 'POST' },
        retryDelays: null,
        onError: reject,
        onChunkComplete: () => resolve(begun.abort()),
      });
      begun.start();
    });
    const path = await upload(data, { uploadUrl: begun.url, chunkSize: 2 * MIB });
    const { body } = await answer(path);
    assert.equal(body.sha256, createHash('sha256').update(data).digest('hex'));
  });

  test('an upload that is given up is gone', { timeout: TEST_MS }, async () => {
    const path = await upload(randomBytes(1000), { uploadDataDuringCreation: true });
    await Upload.terminate(`${line.url}${path}`, { headers });
    const response = await fetch(`${stack.url}${path}`, { headers: { authorization: headers.authorization } });
    assert.equal(response.status, 404);
  });
});
