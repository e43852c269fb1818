import { describe, expect, it } from 'vitest'

import type { FailureView } from '../../src/dashboard/shapes.ts'
import { type Life, stepsOf } from './steps.ts'

const now = 1_800_000_000_000

describe('the steps of a job', () => {
  it('tell of every attempt, though all happened in one millisecond', () => {
    const job = lifeOf({ state: 'completed', attempt: 2, finishedAt: now, failures: [failureOf(1)] })
    expect(textsOf(job)).toEqual(['Enqueued', 'Attempt 1 failed', 'Attempt 2 started', 'Completed'])
  })

  it('tell of the failure that was the end by the end alone', () => {
    const failed = lifeOf({ state: 'failed', attempt: 2, finishedAt: now, failures: [failureOf(1), failureOf(2)] })
    expect(textsOf(failed)).toEqual(['Enqueued', 'Attempt 1 failed', 'Attempt 2 started', 'Failed for good'])
    const cancelled = lifeOf({ state: 'cancelled', attempt: 1, finishedAt: now, failures: [failureOf(1)] })
    expect(textsOf(cancelled)).toEqual(['Enqueued', 'Attempt 1 started', 'Cancelled'])
  })

  it('tell of every failure while the job is not over, and what comes next', () => {
    const job = lifeOf({ state: 'pending', attempt: 1, runAt: now + 60_000, failures: [failureOf(1)] })
    expect(textsOf(job)).toEqual(['Enqueued', 'Attempt 1 failed', 'Next attempt due'])
  })
})

function textsOf(life: Life): readonly string[] {
  return stepsOf(life, now).map((step) => step.text)
}

function failureOf(attempt: number): FailureView {
  return { attempt, at: now, name: 'RangeError', message: 'too far', stack: null }
}

function lifeOf(differs: Pick<Life, 'state' | 'attempt' | 'failures'> & Partial<Life>): Life {
  return { createdAt: now, runAt: now, startedAt: now, finishedAt: null, forgetAt: null, cancel: null, ...differs }
}
