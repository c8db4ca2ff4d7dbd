// The page's sockets where they resume: whatever breaks and whenever, each message arrives once and in order, both ways.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { World } from './page_world.mjs';
import { SandboxSide } from './sandbox_side.mjs';

/** Numbers that are the same for the same seed (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A page with one socket and the sandbox that it talks to. */
async function connected(options = {}) {
  const world = new World({ resume: true, ...options });
  const side = new SandboxSide({ protocol: 'chat' });
  const page = world.open('/', ['chat', 'other']);
  await accept(world, side);
  return { world, side, ...page };
}

/** Takes the newest connection and everything that the page says over it. */
async function accept(world, side) {
  world.wire.accept('molt.resume.1');
  await take(world.wire, side);
}

async function take(wire, side) {
  while (wire.sent.length > 0) await side.take(wire, wire.sent.shift());
}

/** Cuts the connection and waits until the page tries again. */
async function cut(world, side) {
  const before = world.wires.length;
  side.lost(world.wire);
  world.wire.end(1006);
  await world.clock.pass(1_500);
  assert.equal(world.wires.length, before + 1, 'the page does not try again');
}

describe('a socket that resumes', () => {
  test('begins as any other, with the protocol that the agent chose', async () => {
    const { world, side, socket, seen } = await connected();
    assert.deepEqual([...world.wire.protocols], ['chat', 'other', 'molt.resume.1']);
    assert.deepEqual([socket.protocol, socket.readyState, seen], ['chat', 1, ['open']]);
    socket.send('a');
    socket.send(new Uint8Array([1, 2]));
    await take(world.wire, side);
    assert.equal(side.arrived[0], 'a');
    assert.deepEqual(new Uint8Array(side.arrived[1]), new Uint8Array([1, 2]));
    side.say('b');
    socket.binaryType = 'arraybuffer';
    side.say(new Uint8Array([3, 4]).buffer);
    socket.binaryType = 'blob';
    side.say(new Uint8Array([5]).buffer);
    assert.equal(seen[1], 'b');
    assert.deepEqual([...new Uint8Array(seen[2])], [3, 4]);
    assert.deepEqual([...new Uint8Array(await seen[3].arrayBuffer())], [5]);
  });

  test('does not notice a break, and is back within two seconds of it', async () => {
    const { world, side, socket, seen } = await connected();
    socket.send('1');
    side.say('one');
    await cut(world, side);
    socket.send('2');
    side.say('two');
    assert.equal(socket.readyState, 1);
    assert.ok(socket.bufferedAmount >= 1);
    await accept(world, side);
    assert.deepEqual([side.arrived, seen], [['1', '2'], ['open', 'one', 'two']]);
    assert.equal(socket.bufferedAmount, 0);
  });

  test('acknowledges by number, by size and by time', async () => {
    const { world, side } = await connected();
    for (let n = 0; n < 63; n += 1) side.say('x');
    await take(world.wire, side);
    assert.equal(side.unacknowledged, 63);
    side.say('x');
    await take(world.wire, side);
    assert.equal(side.unacknowledged, 0);
    side.say('y'.repeat(300_000));
    await take(world.wire, side);
    assert.equal(side.unacknowledged, 0);
    side.say('z');
    await world.clock.pass(1_100);
    await take(world.wire, side);
    assert.equal(side.unacknowledged, 0);
  });

  test('sends no more than the window, and one that is larger alone', async () => {
    const { world, side, socket } = await connected();
    const mebibyte = 'm'.repeat(1024 * 1024);
    for (let n = 0; n < 6; n += 1) socket.send(mebibyte);
    assert.equal(world.wire.sent.length, 3);
    assert.equal(socket.bufferedAmount, 3 * mebibyte.length);
    for (let turn = 0; turn < 4; turn += 1) {
      await take(world.wire, side);
      side.acknowledge();
    }
    assert.deepEqual([side.arrived.length, socket.bufferedAmount], [6, 0]);
    socket.send('s');
    socket.send('l'.repeat(5 * 1024 * 1024));
    assert.equal(world.wire.sent.length, 1);
    await take(world.wire, side);
    side.acknowledge();
    await take(world.wire, side);
    assert.equal(side.arrived.length, 8);
  });

  test('that was away for too long is closed with a code and a reason', async () => {
    const { world, side, seen } = await connected();
    side.forget();
    await cut(world, side);
    await accept(world, side);
    assert.deepEqual(seen, ['open', 'error', 'close 4408 no such session']);
    const away = await connected();
    away.world.boot = new TypeError('network');
    away.world.wire.end(1006);
    await away.world.clock.pass(61_000);
    assert.match(away.seen.at(-1), /^close 4408 The connection was away for too long/);
  });

  test('is closed by the agent with its code, and by the page with its own', async () => {
    const { world, seen } = await connected();
    world.wire.say('c{"type":"close","code":1012,"reason":"service restart","retryAfterMs":5000}');
    assert.deepEqual(seen, ['open', 'close 1012 service restart']);
    world.open();
    await world.clock.pass(4_900);
    assert.equal(world.wires.length, 1, 'it did not wait as it was told');
    await world.clock.pass(1_000);
    assert.equal(world.wires.length, 2);

    const other = await connected();
    other.socket.send('last');
    other.socket.close(4001, 'bye');
    await take(other.world.wire, other.side);
    assert.deepEqual([other.side.arrived, other.side.closed], [['last'], { code: 4001, reason: 'bye' }]);
    other.world.wire.end(4001, 'bye');
    assert.deepEqual(other.seen, ['open', 'close 4001 bye']);
  });

  test('goes on with a renewed token, and ends with the person’s session', async () => {
    const { world, side, seen } = await connected();
    side.lost(world.wire);
    world.wire.end(4401, 'session expired');
    await world.clock.pass(1_000);
    await accept(world, side);
    assert.deepEqual([side.connections, seen], [2, ['open']]);
    world.wire.end(4402, 'signed out');
    assert.deepEqual(seen, ['open', 'close 4402 signed out']);
  });

  test('gives way to another connection that goes on with it', async () => {
    const { world, seen } = await connected();
    world.wire.end(4409, 'taken over');
    await world.clock.pass(60_000);
    assert.deepEqual([world.wires.length, seen], [1, ['open', 'close 4409 taken over']]);
  });

  test('is an ordinary one where the sandbox says so', async () => {
    const world = new World({ resume: true });
    const { socket, seen } = world.open('/', 'chat');
    world.wire.accept('molt.resume.1');
    world.wire.say('c{"type":"gone","reason":"off","plain":true}');
    await world.clock.pass(0);
    assert.deepEqual([world.wires.length, ...world.wire.protocols], [2, 'chat']);
    world.wire.accept('chat');
    socket.send('as it is');
    assert.deepEqual([seen, world.wire.sent], [['open'], ['as it is']]);
  });

  test('takes silence for a break when an answer is owed', async () => {
    const { world, side, socket } = await connected();
    await world.clock.pass(120_000);
    assert.equal(world.wires.length, 1, 'nothing is owed');
    socket.send('hello?');
    await world.clock.pass(22_000);
    assert.equal(world.wires.length, 2);
    side.lost(world.wires[0]);
    await accept(world, side);
    assert.deepEqual(side.arrived, ['hello?']);
  });

  test('replaces an attempt to go on that gets no answer, before its session is given up', async () => {
    for (const opens of [false, true]) {
      const { world, side, socket, seen } = await connected();
      socket.send('1');
      await cut(world, side);
      const hung = world.wire;
      if (opens) hung.accept('molt.resume.1');
      await world.clock.pass(12_000);
      assert.equal(world.wires.length, 3, `open: ${opens}`);
      assert.ok(hung.closedBy, 'the attempt is still under way');
      await accept(world, side);
      assert.deepEqual([side.arrived, side.connections, seen], [['1'], 2, ['open']]);
      side.acknowledge();
      await world.clock.pass(120_000);
      assert.equal(world.wires.length, 3, 'one that is welcome is left alone');
    }
  });

  test('gives each step of an attempt to go on its time', async () => {
    const { world, side, seen } = await connected();
    await cut(world, side);
    await world.clock.pass(7_000);
    world.wire.accept('molt.resume.1');
    await world.clock.pass(9_000);
    await take(world.wire, side);
    assert.deepEqual([world.wires.length, side.connections, seen], [2, 2, ['open']]);
  });

  test('begins although sandbox and agent take long, and not with an attempt that gets no answer at all', async () => {
    const world = new World({ resume: true });
    const side = new SandboxSide();
    const { seen } = world.open();
    await world.clock.pass(45_000);
    world.wire.accept('molt.resume.1');
    await world.clock.pass(55_000);
    assert.equal(world.wires.length, 1);
    await world.clock.pass(10_000);
    assert.equal(world.wires.length, 2);
    await accept(world, side);
    assert.deepEqual(seen, ['open']);
  });

  test('replaces what is under way when the network has changed, also an attempt', async () => {
    const { world, side, socket, seen } = await connected();
    socket.send('1');
    await cut(world, side);
    world.networkIsBack();
    await world.clock.pass(500);
    assert.equal(world.wires.length, 3);
    assert.ok(world.wires[1].closedBy, 'the attempt is still under way');
    await accept(world, side);
    world.networkIsBack();
    await world.clock.pass(1_500);
    side.lost(world.wires[2]);
    await accept(world, side);
    assert.deepEqual([world.wires.length, side.arrived, seen], [4, ['1'], ['open']]);
  });

  test('does not repeat a message that is refused for its length', async () => {
    const { world, socket, seen } = await connected();
    socket.send('x'.repeat(32 * 1024 * 1024 + 1));
    assert.match(seen.at(-1), /^close 1009 /);
    await world.clock.pass(60_000);
    assert.equal(world.wires.length, 1);
  });
});

describe('whatever is cut and whenever', () => {
  const STEPS = 400;

  /** One history: messages both ways, and cuts in which what is under way is lost, on either side or both. */
  async function history(seed) {
    const random = randomOf(seed);
    const { world, side, socket, seen } = await connected({ random });
    const said = { page: [], agent: [] };
    const below = (most) => Math.floor(random() * most);
    const reconnect = async () => {
      for (let turn = 0; world.wire.readyState !== 0; turn += 1) {
        assert.ok(turn < 60, `seed ${seed}: the page does not come back`);
        await world.clock.pass(250);
      }
    };
    for (let step = 0; step < STEPS; step += 1) {
      switch (below(8)) {
        case 0:
        case 1:
        case 2:
          said.page.push(`p${step}${'.'.repeat(random() < 0.02 ? 600_000 : below(40))}`);
          socket.send(said.page.at(-1));
          break;
        case 3:
        case 4:
          said.agent.push(`a${step}`);
          side.say(said.agent.at(-1));
          break;
        case 5: {
          // Some of what the page sent arrives.
          const { wire } = world;
          for (let n = below(wire.sent.length + 1); n > 0; n -= 1) await side.take(wire, wire.sent.shift());
          break;
        }
        case 6:
          await world.clock.pass(below(1_500));
          break;
        default:
          if (random() < 0.4) {
            // The page learns of it, or the sandbox does, or neither before the next connection.
            side.lost(world.wire);
            world.wire.end(random() < 0.8 ? 1006 : 1012);
            await reconnect();
            if (random() < 0.3) world.wire.end(1006);
            await reconnect();
            if (random() < 0.9) await accept(world, side);
          }
      }
      if (world.wire.readyState === 0) await accept(world, side);
    }
    for (let turn = 0; turn < 40; turn += 1) {
      if (world.wire.readyState === 0) await accept(world, side);
      await take(world.wire, side);
      side.acknowledge();
      await world.clock.pass(500);
    }
    assert.deepEqual(side.arrived, said.page, `seed ${seed}: from the page`);
    assert.deepEqual(seen, ['open', ...said.agent], `seed ${seed}: to the page`);
    return side.connections;
  }

  test('nothing is lost, doubled or out of order', { timeout: 120_000 }, async () => {
    const seeds = process.env.MOLT_SEED ? [Number(process.env.MOLT_SEED)] : Array.from({ length: 40 }, () => Math.floor(Math.random() * 2 ** 31));
    let connections = 0;
    for (const seed of seeds) connections += await history(seed);
    assert.ok(connections > 5 * seeds.length, `only ${connections} connections in ${seeds.length} histories`);
  });
});
