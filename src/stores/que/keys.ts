import type { Job } from '../../core/job.ts'
import { numberArray, textArray } from '../pg/array.ts'
import type { Change, Put } from './change.ts'
import type { Lease } from './leases.ts'
import type { Key } from './row.ts'

/** A row that is to be changed, and what must not have changed of it. */
export interface Target {
  readonly key: Key
  /** How many microseconds before `runAtUs` it may be: a Job knows the millisecond only. */
  readonly within: number
  readonly errors: string | undefined
  readonly version: string | undefined
}

/** A row that we hold: by its key and error_count, as Que itself fences. */
export function heldTarget({ key, errors }: Lease): Target {
  return { key, within: 0, errors, version: undefined }
}

/** A row that was looked at: by the version that was seen. */
export function seenTarget({ id, queue, priority, runAt, rev }: Job): Target {
  const key = { id, queue, priority: String(priority), runAtUs: String(runAt * 1_000) }
  return { key, within: 999, errors: undefined, version: String(rev) }
}

/** The parameters $1 to $4 of statements that take keys. */
export function keyValues(keys: readonly Key[]): readonly (string | null)[] {
  return [
    ids(keys),
    textArray(keys.map(({ queue }) => queue)),
    textArray(keys.map(({ priority }) => priority)),
    textArray(keys.map(({ runAtUs }) => runAtUs)),
  ]
}

/** The parameters $1 to $7 of statements that change rows. */
export function targetValues(targets: readonly Target[]): readonly (string | null)[] {
  return [
    ...keyValues(targets.map(({ key }) => key)),
    numberArray(targets.map(({ within }) => within)),
    textArray(targets.map(({ errors }) => errors)),
    textArray(targets.map(({ version }) => version)),
  ]
}

/** The parameters $8 to $16 of `put`. */
export function putValues(puts: readonly Put[]): readonly (string | null)[] {
  return [
    numberArray(puts.map(({ priority }) => priority)),
    numberArray(puts.map(({ runAt }) => runAt)),
    numberArray(puts.map(({ errorCount }) => errorCount)),
    textArray(puts.map(({ args }) => args?.args)),
    textArray(puts.map(({ args }) => args?.kwargs)),
    textArray(puts.map(({ error }) => error)),
    textArray(puts.map(({ backtrace }) => backtrace)),
    numberArray(puts.map(({ finishedAt }) => finishedAt)),
    numberArray(puts.map(({ expiredAt }) => expiredAt)),
  ]
}

/** An array that is never null. */
export function ids(all: readonly { readonly id: string }[]): string {
  return textArray(all.map(({ id }) => id)) ?? '{}'
}

export function isPut(change: Change): change is Put {
  return typeof change !== 'string'
}
