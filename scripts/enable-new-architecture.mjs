#!/usr/bin/env node
// Deploys the workers and moves the admin API to them, step by step. Users stay where they are.

import { operate, suggest } from './lib/operate.mjs';

const code = await operate(
  ['admin-api'],
  'node scripts/enable-new-architecture.mjs [options]: deploys, then switches USE_NEW_ADMIN_API on in steps (molt migrate admin-api).',
);
suggest(code, [
  'next: try the admin API and the dashboard, then move the users: node scripts/enable-container-gateway.mjs',
  'back: node scripts/rollback-architecture.mjs',
]);
process.exitCode = code;
