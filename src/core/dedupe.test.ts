import { describe, expect, it } from 'vitest'

import { aJob, held, letGo, running, T } from '../testing/contract/builders.ts'
import {
  replaced,
  toUnique,
  type UniqueOption,
  uniqueWhenClaimed,
  uniqueWhenFinished,
  uniqueWhenWaiting,
} from './dedupe.ts'
import { UsageError } from './errors.ts'

describe('toUnique', () => {
  it.each<[UniqueOption, ReturnType<typeof toUnique>]>([
    ['a', { unique: held('a'), onConflict: 'keep' }],
    [{ key: 'a' }, { unique: held('a'), onConflict: 'keep' }],
    [
      { key: 'a', until: 'claimed', onConflict: 'replace' },
      { unique: held('a'), onConflict: 'replace' },
    ],
    [
      { key: 'a', until: 'settled', onConflict: 'reject' },
      { unique: held('a', 'settled'), onConflict: 'reject' },
    ],
    [
      { key: 'a', until: '1h' },
      { unique: held('a', T + 3_600_000), onConflict: 'keep' },
    ],
    [
      { key: 'a', until: 1 },
      { unique: held('a', T + 1), onConflict: 'keep' },
    ],
  ])('reads %j', (option, unique) => {
    expect(toUnique(option, T)).toEqual(unique)
  })

  it.each([
    '',
    'a\nb',
    5,
    null,
    [],
    {},
    { key: '' },
    { key: 'a', until: 0 },
    { key: 'a', until: 'done' },
    { key: 'a', onConflict: 'ignore' },
    { key: 'a', for: '1h' },
  ])('refuses %j', (option) => {
    expect(() => toUnique(option as UniqueOption, T)).toThrow(UsageError)
  })
})

describe('replaced', () => {
  it('gives a waiting holder the new payload, times, priority, attempts and policy; its id and history stay', () => {
    const note = { attempt: 1, at: T - 5, name: 'Error', message: 'no' }
    const holder = aJob({
      unique: held('a'),
      attempt: 1,
      rev: 4,
      startedAt: T - 9,
      failures: [note],
      parent: 'job-p',
      createdAt: T - 99,
    })
    const by = aJob({
      task: 'other',
      unique: held('a', 'settled'),
      payload: '2',
      runAt: T + 7,
      priority: 3,
      maxAttempts: 9,
      parent: 'job-q',
      policy: { timeoutMs: 5 },
    })
    expect(replaced(holder, by)).toEqual({
      ...by,
      id: holder.id,
      createdAt: holder.createdAt,
      failures: [note],
      parent: 'job-p',
      startedAt: T - 9,
      rev: 5,
    })
  })

  it('keeps a holder that runs or has finished', () => {
    const waiting = aJob({ unique: held('a', 'settled') })
    expect(replaced(running(waiting), aJob())).toBeUndefined()
    expect(replaced({ ...waiting, state: 'completed', finishedAt: T }, aJob())).toBeUndefined()
  })
})

/** Each key, and what becomes of it when its job is claimed, waits again, and finishes, at T. */
describe.each([
  ['no key', undefined, undefined, undefined, undefined],
  ['until claimed', held('a'), letGo(held('a')), held('a'), letGo(held('a'))],
  ['until claimed, let go', letGo(held('a')), letGo(held('a')), held('a'), letGo(held('a'))],
  ['until settled', held('a', 'settled'), held('a', 'settled'), held('a', 'settled'), letGo(held('a', 'settled'))],
  [
    'until settled, let go',
    letGo(held('a', 'settled')),
    letGo(held('a', 'settled')),
    held('a', 'settled'),
    letGo(held('a', 'settled')),
  ],
  ['a window still open', held('a', T + 1), held('a', T + 1), held('a', T + 1), held('a', T + 1)],
  ['a window that ends now', held('a', T), held('a', T), held('a', T), letGo(held('a', T))],
  [
    'an open window, let go',
    letGo(held('a', T + 1)),
    letGo(held('a', T + 1)),
    held('a', T + 1),
    letGo(held('a', T + 1)),
  ],
  ['a passed window, let go', letGo(held('a', T)), letGo(held('a', T)), letGo(held('a', T)), letGo(held('a', T))],
])('a key: %s', (_, unique, claimed, waiting, finished) => {
  it('becomes at a claim what its rule says', () => {
    expect(uniqueWhenClaimed(unique)).toEqual(claimed)
  })

  it('is asked for again by a job that waits again, unless its window has passed', () => {
    expect(uniqueWhenWaiting(unique, T)).toEqual(waiting)
  })

  it('is let go of at the end, unless its window is open', () => {
    expect(uniqueWhenFinished(unique, T)).toEqual(finished)
  })
})
