import { expect, it } from 'vitest'

import { type BackoffPolicy, defaultBackoff } from '../core/backoff.ts'
import { defaultRetention } from '../core/retention.ts'
import { aJob } from '../testing/contract/index.ts'
import { policyOf } from './definition.ts'

const backoff: BackoffPolicy = { type: 'fixed', delayMs: 1, maxMs: 1, jitter: 0 }
const retention = { ...defaultRetention, completed: 1 }
const definition = { backoff: () => 2, retention: { ...defaultRetention, completed: 2 } }

it.each([
  ["the job's own", { backoff, retention }, definition, { backoff, retention }],
  ["the task's", undefined, definition, definition],
  ["the job's own as far as it goes", { backoff }, definition, { ...definition, backoff }],
  ['the defaults', undefined, undefined, { backoff: defaultBackoff, retention: defaultRetention }],
])('takes %s policy', (_, policy, known, expected) => {
  expect(policyOf(aJob({ policy }), known)).toEqual(expected)
})
