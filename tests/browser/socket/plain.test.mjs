// The page's sockets where they do not resume: the standard's interface, ends with a reason, attempts that wait for the sandbox.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { World, script } from './page_world.mjs';

const ROOT = resolve(import.meta.dirname, '../../..');

describe('the script', () => {
  test('has every part that there is, and the numbers of the protocol', () => {
    const text = script();
    for (const part of readdirSync(join(ROOT, 'workers/router/assets/socket'))) {
      assert.ok(text.includes(readFileSync(join(ROOT, 'workers/router/assets/socket', part), 'utf8')), `${part} is not served`);
    }
    const value = (source, name) => {
      const found = new RegExp(`const ${name}(?:: &?\\w+)? = ([^;]+);`).exec(source);
      assert.ok(found, `${name} is gone`);
      return found[1].startsWith('"') ? found[1] : new Function(`return ${found[1]}`)();
    };
    const rust = readFileSync(join(ROOT, 'crates/common/src/resume.rs'), 'utf8');
    for (const name of ['SUBPROTOCOL', 'WINDOW_BYTES', 'MESSAGE_OVERHEAD', 'MESSAGE_MAX_BYTES', 'KEEP_MS', 'ACK_EVERY_MESSAGES',
      'ACK_EVERY_BYTES', 'ACK_AFTER_MS', 'CLOSE_GONE', 'CLOSE_TAKEN_OVER', 'RECONNECT_FIRST_MS', 'RECONNECT_STEADY', 'RECONNECT_MAX_MS']) {
      assert.equal(value(text, name), value(rust, name), name);
    }
  });
});

describe('a socket of the page', () => {
  test('is as the standard has it', async () => {
    const world = new World();
    const { WebSocket } = world.context;
    const { socket, seen } = world.open('/chat', ['a', 'b']);
    assert.ok(socket instanceof WebSocket && socket instanceof EventTarget);
    assert.deepEqual([WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED], [0, 1, 2, 3]);
    assert.deepEqual([socket.url, socket.readyState, socket.protocol, socket.binaryType, socket.bufferedAmount], ['wss://agent.example/chat', 0, '', 'blob', 0]);
    assert.throws(() => socket.send('x'), { name: 'InvalidStateError' });
    assert.throws(() => socket.close(1001), { name: 'InvalidAccessError' });
    assert.throws(() => socket.close(3000, 'é'.repeat(62)), { name: 'SyntaxError' });
    const handled = [];
    socket.onmessage = () => handled.push('first');
    socket.onmessage = ({ data, target, origin }) => handled.push(data, target === socket, origin);
    socket.onclose = 'nothing';
    assert.equal(socket.onclose, null);
    world.wire.accept('b');
    assert.deepEqual([socket.readyState, socket.protocol], [1, 'b']);
    socket.binaryType = 'arraybuffer';
    socket.binaryType = 'other';
    assert.deepEqual([socket.binaryType, world.wire.binaryType], ['arraybuffer', 'arraybuffer']);
    socket.send('hello');
    socket.send(7);
    assert.deepEqual(world.wire.sent, ['hello', '7']);
    world.wire.say('back');
    assert.deepEqual(handled, ['back', true, 'wss://agent.example']);
    socket.close(4001, 'done');
    assert.equal(socket.readyState, 2);
    assert.deepEqual(world.wire.closedBy, { code: 4001, reason: 'done' });
    socket.send('né');
    assert.equal(socket.bufferedAmount, 3);
    world.wire.end(4001, 'done');
    assert.deepEqual(seen, ['open', 'back', 'close 4001 done']);
    assert.equal(socket.readyState, 3);
    await world.clock.pass(60_000);
    assert.equal(world.asked, 0, 'what the page ends itself needs no question');
  });

  test('that was closed before it was open fails as in a browser', async () => {
    const world = new World();
    const { socket, seen } = world.open();
    socket.close();
    assert.equal(socket.readyState, 2);
    await world.clock.pass(0);
    assert.deepEqual(seen, ['error', 'close 1006 ']);
    world.wire.accept();
    await world.clock.pass(60_000);
    assert.equal(seen.length, 2);
  });

  test('to somebody else, or with a fault, is the browser’s own', () => {
    const world = new World();
    const foreign = new world.context.WebSocket('wss://other.example/');
    assert.equal(world.wire, foreign);
    foreign.accept();
    assert.equal(foreign.readyState, 1);
    class Sub extends world.context.WebSocket {}
    assert.ok(new Sub('wss://other.example/') instanceof Sub);
    assert.ok(new Sub('wss://agent.example/') instanceof Sub);
    for (const [url, protocols] of [['wss://agent.example/#x'], ['ftp://agent.example/'], ['/x', ['a', 'a']], ['/x', 'a b']]) {
      const made = new world.context.WebSocket(url, protocols);
      assert.equal(made, world.wire, `${url} ${protocols}`);
    }
  });
});

describe('a connection that breaks', () => {
  test('is told with a legal code and a reason', async () => {
    const world = new World();
    const { seen, socket } = world.open();
    world.wire.accept();
    world.wire.end(1006);
    assert.deepEqual(seen.slice(0, 2), ['open', 'error']);
    assert.match(seen[2], /^close 4006 The connection to your agent was lost/);
    assert.equal(socket.readyState, 3);
  });

  test('is waited for while the agent starts, and back soon after', async () => {
    const world = new World();
    world.open();
    world.wire.accept();
    world.boot = { status: 200, body: { lifecycle: 'starting', text: 'Your agent is starting.' } };
    world.wire.end(1012, 'service restart');
    const { seen } = world.open();
    await world.clock.pass(25_000);
    assert.equal(world.wires.length, 1, 'nothing is tried meanwhile');
    assert.deepEqual(seen, []);
    const asked = world.asked;
    assert.ok(asked >= 20 && asked <= 32, `${asked} questions in 25 s`);
    world.boot = { status: 200, body: { lifecycle: 'running' } };
    await world.clock.pass(1_500);
    assert.equal(world.wires.length, 2);
    world.wire.accept();
    assert.deepEqual(seen, ['open']);
    await world.clock.pass(60_000);
    assert.ok(world.asked <= asked + 2, 'it goes on asking though all is well');
  });

  test('that nobody waits for is offered to the page in the way of the network', async () => {
    const world = new World();
    world.open();
    world.wire.accept();
    world.wire.end(1006);
    await world.clock.pass(2_000);
    assert.equal(world.nudged, 1);
    await world.clock.pass(60_000);
    assert.equal(world.nudged, 1);
  });

  test('that breaks again before it is open is tried again, and more and more seldom', async () => {
    const world = new World();
    const { seen } = world.open();
    world.boot = new TypeError('network');
    world.wire.end(1006);
    await world.clock.pass(60_000);
    assert.deepEqual([world.wires.length, seen.length], [1, 0]);
    assert.ok(world.asked >= 8 && world.asked <= 20, `${world.asked} questions in a minute`);
    world.boot = { status: 200, body: { lifecycle: 'running' } };
    world.window.dispatchEvent(new Event('focus'));
    await world.clock.pass(500);
    assert.equal(world.wires.length, 2, 'looking at the page does not make it try');
    world.wire.accept();
    assert.deepEqual(seen, ['open']);
  });

  test('while the network is gone is not tried on the word of a copy', async () => {
    const world = new World();
    world.open();
    world.wire.accept();
    world.boot = { status: 200, body: { lifecycle: 'starting' }, headers: { 'x-request-id': 'one and the same' } };
    world.wire.end(1006);
    world.open();
    await world.clock.pass(2_000);
    world.boot.body = { lifecycle: 'running' };
    await world.clock.pass(30_000);
    assert.equal(world.wires.length, 1);
  });

  test('that a ready sandbox refuses again and again is refused to the page', async () => {
    const world = new World();
    const { seen } = world.open();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      assert.equal(world.wires.length, attempt + 1);
      world.wire.end(1006);
      await world.clock.pass(3_000);
    }
    assert.deepEqual(seen, ['error', 'close 4006 Your agent did not take the connection.']);
    assert.equal(world.wires.length, 3);
  });
});

describe('a socket that the page itself closes', () => {
  test('is no news of the sandbox, whether or not it was open', async () => {
    const world = new World();
    const { socket, seen } = world.open();
    world.wire.accept();
    socket.close(4000, 'tick timeout');
    world.wire.end(1006);
    await world.clock.pass(60_000);
    assert.deepEqual([seen, world.asked, world.nudged], [['open', 'close 1006 '], 0, 0]);
  });

  test('while it is tried leaves the others to be told how things are', async () => {
    const world = new World();
    world.open();
    world.wire.accept();
    world.wire.end(1006);
    const { socket } = world.open();
    await world.clock.pass(1_000);
    assert.equal(world.wires.length, 2);
    socket.close();
    const asked = world.asked;
    await world.clock.pass(2_000);
    assert.equal(world.asked, asked + 1, 'nobody finds out whether all is well');
    await world.clock.pass(60_000);
    assert.equal(world.asked, asked + 1);
  });

  for (const resume of [false, true]) {
    test(`while it waits for its moment among others is not connected, resume ${resume}`, async () => {
      const world = new World({ resume });
      world.open();
      world.wire.end(1006);
      const { socket, seen } = world.open();
      // The question comes after a quarter of a second or more; from its answer on every socket waits 150 ms.
      while (world.asked === 0) await world.clock.pass(10);
      await world.clock.pass(20);
      assert.equal(world.wires.length, 1);
      socket.close();
      await world.clock.pass(2_000);
      assert.equal(world.wires.length, 2, 'the other one alone');
      assert.deepEqual(seen, ['error', 'close 1006 ']);
    });
  }
});

describe('a session', () => {
  test('that ended keeps attempts back until somebody has signed in', async () => {
    const world = new World();
    world.open();
    world.wire.accept();
    world.boot = { status: 401 };
    world.wire.end(4402, 'signed out');
    const { seen } = world.open();
    await world.clock.pass(120_000);
    assert.deepEqual([world.wires.length, seen.length], [1, 0]);
    assert.ok(world.asked < 12, `${world.asked} questions in two minutes`);
    world.boot = { status: 200, body: { lifecycle: 'running' } };
    world.window.document.dispatchEvent(new Event('visibilitychange'));
    await world.clock.pass(500);
    assert.equal(world.wires.length, 2);
  });

  test('whose token ended is renewed by the question', async () => {
    const world = new World();
    const { seen } = world.open();
    world.wire.accept();
    world.wire.end(4401, 'session expired');
    assert.deepEqual(seen, ['open', 'close 4401 session expired']);
    world.open();
    await world.clock.pass(1_000);
    assert.deepEqual([world.asked, world.wires.length], [1, 2]);
  });

  test('that cannot be renewed is said to have ended, though the platform still answers for a minute', async () => {
    const world = new World();
    world.open();
    world.wire.accept();
    world.wire.end(4401, 'session expired');
    // As the agent's page does: later than the question is answered.
    await world.clock.pass(800);
    const { seen } = world.open();
    for (let second = 0; second < 60; second += 1) {
      await world.clock.pass(1_000);
      if (world.wire.readyState === 0) world.wire.end(1006);
    }
    assert.ok(world.wires.length >= 3 && world.wires.length <= 6, `${world.wires.length} connections in a minute`);
    assert.deepEqual(seen, [], 'the page is not refused');
  });

  test('of a sandbox that sleeps wakes it by an action and not by itself', async () => {
    const world = new World();
    world.open();
    world.wire.accept();
    world.boot = { status: 200, body: { lifecycle: 'sleeping' } };
    world.wire.end(1001, 'asleep');
    world.open();
    await world.clock.pass(600_000);
    assert.equal(world.wires.length, 1);
    world.window.dispatchEvent(new Event('keydown'));
    await world.clock.pass(100);
    assert.equal(world.wires.length, 2);
  });

  test('of a sandbox that failed asks for a start now and then', async () => {
    const world = new World();
    world.open();
    world.wire.accept();
    world.boot = { status: 200, body: { lifecycle: 'failed', cause: 'No room.', retryInMs: 10_000 } };
    world.wire.end(1006);
    world.open();
    for (let round = 0; round < 60; round += 1) {
      await world.clock.pass(1_000);
      if (world.wire.readyState === 0) world.wire.end(1006);
    }
    assert.ok(world.wires.length >= 4 && world.wires.length <= 9, `${world.wires.length} attempts in a minute`);
  });
});
