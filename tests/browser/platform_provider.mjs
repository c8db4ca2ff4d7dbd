// A provider of the platform's: the model stub behind the edge, with a key that no sandbox gets.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MODELS } from '../fixtures/model-stub/chat_completion.mjs';

/** Its id in the platform's table. */
export const PROVIDER = 'stub';

/**
 * Options of scripts/dev for a stack that offers the stub.
 * @param {{port: number, apiKey: string}} stub
 * @returns {{options: string[], remove: () => void}} `remove` takes the file with the key away
 */
export function offering({ port, apiKey }) {
  const folder = mkdtempSync(join(tmpdir(), 'molt-key-'));
  const secrets = join(folder, 'secrets.json');
  writeFileSync(secrets, JSON.stringify({ 'container-gateway': { STUB_API_KEY: apiKey } }), { mode: 0o600 });
  const row = {
    id: PROVIDER,
    dialect: 'openai',
    baseUrl: `http://127.0.0.1:${port}`,
    keyHeader: 'bearer',
    keyName: 'STUB_API_KEY',
    paths: ['/v1/chat/completions', '/v1/models'],
    models: MODELS.map((id) => ({ id, contextWindow: 65_536, maxTokens: 4_096 })),
  };
  return {
    options: ['--var', `container-gateway.PROVIDERS=${JSON.stringify([row])}`, '--secrets-file', secrets],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
