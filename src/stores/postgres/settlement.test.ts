import { describe, expect, it } from 'vitest'

import { aJob, T } from '../../testing/contract/index.ts'
import { claimed, settle, type Write } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import { defaultBackoff } from '../../core/backoff.ts'
import { toSettlement, toWriteResults } from './settlement.ts'

const keep = { backoff: defaultBackoff, retention: defaultRetention }
const run = (id: string): Write['before'] => claimed(aJob({ id }), 'lease', T + 30_000, T)
const removed = (id: string): Write => ({ before: run(id), after: undefined })
const ended = (id: string): Write => settle(run(id), { kind: 'succeeded', result: undefined }, keep, T, 0)
const failed = (id: string): Write => settle(run(id), { kind: 'failed', error: 'smoke' }, keep, T, 0)

describe('how writes are stored', () => {
  it('sorts them: removals, ends, others, each in the order of their ids', () => {
    const [a, b, c, d, e, f] = [removed('b'), ended('d'), failed('f'), failed('e'), ended('c'), removed('a')]
    expect(toSettlement([a, b, c, d, e, f])).toEqual({ gone: [f, a], ended: [e, b], others: [d, c] })
  })

  it('leaves them in their order where a job is written twice', () => {
    const writes = [failed('a'), removed('b'), removed('a')]
    expect(toSettlement(writes)).toEqual({ gone: [], ended: [], others: writes })
  })

  it('leaves them in their order where one asks for a unique key, which another may give up', () => {
    const asks = failed('a')
    const unique = { key: 'k', until: 'settled', held: true } as const
    const writes = [removed('b'), { before: asks.before, after: { ...asks.after!, unique } }]
    expect(toSettlement(writes)).toEqual({ gone: [], ended: [], others: writes })
  })

  it('answers that of several writes of one job the last were refused', () => {
    const writes = [failed('a'), removed('b'), failed('a'), failed('a')]
    const now = run('a')
    expect(toWriteResults(writes, ['a', 'a'], new Map([['a', now]]))).toEqual([
      { ok: true },
      { ok: true },
      { ok: false, current: now },
      { ok: false, current: now },
    ])
  })
})
