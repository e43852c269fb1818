import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Job } from '../../core/job.ts'
import { claimed } from '../../core/lifecycle.ts'
import { aJob, T } from '../../testing/contract/builders.ts'
import { escape, fromLane, fromRow, toHeld, toJob, toLane, toRow, unescape } from './row.ts'

const turn = '0'.repeat(16)
/** Text as Redis can keep it: what has no lone surrogates. */
const text = fc.string({ unit: 'grapheme' })
const name = fc.oneof(text, fc.constantFrom('', ':', '\\', '\n', '\\n', '\\c', '=', 'a:b', '{a}'))
const optional = <V>(arbitrary: fc.Arbitrary<V>): fc.Arbitrary<V | undefined> =>
  fc.option(arbitrary, { nil: undefined })

const job: fc.Arbitrary<Job> = fc
  .record({
    task: name,
    queue: name,
    priority: fc.integer({ min: -32_768, max: 32_767 }),
    payload: fc.oneof(text, fc.uint8Array()),
    rev: fc.nat({ max: 0xffff_fffe }), // a change a second fills eight hex digits in 136 years
    attempt: fc.nat({ max: 5 }),
    startedAt: optional(fc.constant(T)),
    unique: optional(
      fc.record({
        key: name,
        until: fc.constantFrom('claimed' as const, 'settled' as const, T + 5),
        held: fc.boolean(),
      }),
    ),
    concurrencyKey: optional(name),
    cancel: optional(text),
    result: optional(text),
    parent: optional(name),
    failures: fc.array(fc.record({ attempt: fc.nat(), at: fc.constant(T), name: text, message: text }), {
      maxLength: 2,
    }),
    policy: optional(fc.constant({ timeoutMs: 5 })),
  })
  .map((given) => aJob({ maxAttempts: 9, ...given }))

describe('a row', () => {
  it('holds any job as it is', () => {
    fc.assert(
      fc.property(job, (one) => {
        expect(fromRow(one.id, turn + toRow(one))).toEqual(one)
      }),
    )
  })

  it('holds a job that says nothing seldom as it is, too', () => {
    fc.assert(
      fc.property(name, name, fc.integer(), fc.oneof(text, fc.uint8Array()), (task, queue, priority, payload) => {
        const one = aJob({ task, queue, priority, payload, createdAt: T - 1 })
        expect(fromRow(one.id, turn + toRow(one))).toEqual(one)
      }),
    )
  })

  it('of a waiting job, with what a claim has noted, is what the core makes of it', () => {
    fc.assert(
      fc.property(job, name, (one, lease) => {
        const running = claimed(one, lease, T + 9, T + 1)
        expect(toJob(one.id, turn + toRow(one), toHeld(running))).toEqual(running)
        expect(toJob(one.id, turn + toRow(running), toHeld(running))).toEqual(running)
      }),
    )
  })
})

describe('a name within a key', () => {
  it('comes back as it was, and has no colon and no line end', () => {
    fc.assert(
      fc.property(name, (one) => {
        expect(unescape(escape(one))).toBe(one)
        expect(escape(one)).not.toMatch(/[:\n]/)
      }),
    )
  })

  it('parts every lane from every other', () => {
    fc.assert(
      fc.property(name, name, fc.integer({ min: -9, max: 9 }), (queue, task, priority) => {
        expect(fromLane(toLane({ queue, task, priority }))).toEqual({ queue, task, priority })
      }),
    )
  })
})
