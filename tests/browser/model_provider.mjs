// Gives a sandbox's agent a model, as an operator does: by the agent's own command-line tool.

import { MODEL } from '../fixtures/model-stub/chat_completion.mjs';
import { exec } from './admin_exec.mjs';

/** Name by which a sandbox reaches the stub: `scripts/dev --allow-host`. */
export const HOST = 'model.internal';

/**
 * Makes the stub the agent's model. The agent reloads its configuration by itself.
 * @param {import('./stack.mjs').Stack} stack
 * @param {import('./stack.mjs').Person} person whose agent
 * @param {{port: number, apiKey: string}} provider
 */
export async function useModelStub(stack, person, { port, apiKey }) {
  const model = {
    id: MODEL,
    name: 'Stub',
    reasoning: false,
    input: ['text'],
    cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
    contextWindow: 65_536,
    maxTokens: 4_096,
  };
  const patch = {
    models: { mode: 'merge', providers: { stub: { baseUrl: `http://${HOST}:${port}/v1`, apiKey, api: 'openai-completions', models: [model] } } },
    agents: { defaults: { model: { primary: `stub/${MODEL}` } } },
  };
  await exec(stack, person, 'openclaw config patch --stdin', JSON.stringify(patch));
}
