#!/usr/bin/env node
// Moves users to the container gateway, step by step. The workers are there already (enable-new-architecture.mjs).

import { operate, suggest } from './lib/operate.mjs';

const code = await operate(
  ['container-gateway', '--skip-deploy'],
  'node scripts/enable-container-gateway.mjs [options]: switches USE_NEW_CONTAINER_GATEWAY on in steps (molt migrate container-gateway --skip-deploy).',
);
suggest(code, [
  'next: watch for a day or two, then: molt migrate retire',
  'back: node scripts/rollback-architecture.mjs',
]);
process.exitCode = code;
