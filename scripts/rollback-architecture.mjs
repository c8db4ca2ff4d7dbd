#!/usr/bin/env node
// Sends everybody back to what ran before, in one call, and shows that it answers. Works when the admin worker is down.

import { operate } from './lib/operate.mjs';

process.exitCode = await operate(
  ['rollback'],
  'node scripts/rollback-architecture.mjs [options]: kills both flags, or those of --flag (molt migrate rollback).',
);
