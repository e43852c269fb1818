import { type Duration, toMs } from './duration.ts'
import { expectKnown, expectName, expectOneOf } from './expect.ts'
import type { Instant, Job, Unique } from './job.ts'

/** What an enqueue does when its unique key is held: leave the holder as it is, put the new job in its place, or throw. */
export type OnConflict = 'keep' | 'replace' | 'reject'

/**
 * At most one job of a queue holds a key at a time.
 *
 * A text alone is `{ key }`. `until` says how long it is held: `'claimed'` (the default: until a worker takes the job, so that no later
 * news is missed), `'settled'` (until it has completed, failed for good or been cancelled), or a duration from the enqueue on, whatever
 * becomes of the job. `onConflict` defaults to `'keep'`. `'replace'` gives a holder that still waits the new payload, times, priority
 * and attempts, while its id and place in history stay; a holder that already runs or has finished is kept.
 */
export type UniqueOption =
  | string
  | { readonly key: string; readonly until?: 'claimed' | 'settled' | Duration; readonly onConflict?: OnConflict }

/** The key as the job will carry it, and what to do when it is held. A job that waits again after a failure takes a free key back. */
export function toUnique(option: UniqueOption, now: Instant): { unique: Unique; onConflict: OnConflict } {
  if (typeof option === 'string')
    return { unique: { key: expectName(option, 'unique'), until: 'claimed', held: true }, onConflict: 'keep' }
  expectKnown(option, ['key', 'until', 'onConflict'], 'unique')
  const key = expectName(option.key, 'unique.key')
  const until = option.until ?? 'claimed'
  return {
    unique: {
      key,
      until: until === 'claimed' || until === 'settled' ? until : now + toMs(until, 'unique.until', 1),
      held: true,
    },
    onConflict:
      option.onConflict === undefined
        ? 'keep'
        : expectOneOf(option.onConflict, 'unique.onConflict', ['keep', 'replace', 'reject']),
  }
}

/** The holder with the new job in its place, or `undefined` when it no longer waits and is kept. */
export function replaced(holder: Job, by: Job): Job | undefined {
  if (holder.state !== 'pending') return undefined
  return {
    ...by,
    id: holder.id,
    createdAt: holder.createdAt,
    failures: holder.failures,
    parent: holder.parent,
    startedAt: holder.startedAt,
    rev: holder.rev + 1,
  }
}

/** The unique key as it stands after a claim. */
export function uniqueWhenClaimed(unique: Unique | undefined): Unique | undefined {
  return unique?.until === 'claimed' && unique.held ? { ...unique, held: false } : unique
}

/** The unique key of a job that waits again: it asks for its key back, and the store grants it if nobody else has it. */
export function uniqueWhenWaiting(unique: Unique | undefined, now: Instant): Unique | undefined {
  if (unique === undefined || unique.held || (typeof unique.until === 'number' && unique.until <= now)) return unique
  return { ...unique, held: true }
}

/** The unique key of a job that has finished. Only a window outlives the job. */
export function uniqueWhenFinished(unique: Unique | undefined, now: Instant): Unique | undefined {
  if (unique === undefined || !unique.held || (typeof unique.until === 'number' && unique.until > now)) return unique
  return { ...unique, held: false }
}
