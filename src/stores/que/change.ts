import type { Failure, Instant, Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import { type Args, toArgs } from './args.ts'
import { type Format, queBackoffMs } from './format.ts'

/** What a write comes to in a row of Que. `undefined` of a column leaves it as it is; without an end the row waits. */
export interface Put {
  readonly priority: number | undefined
  readonly runAt: Instant | undefined
  readonly errorCount: number | undefined
  readonly args: Args | undefined
  readonly error: string | undefined
  readonly backtrace: string | undefined
  readonly finishedAt: Instant | undefined
  readonly expiredAt: Instant | undefined
}

export type Change = 'nothing' | 'remove' | Put

/** The longest texts that Que's own checks let pass, in characters; ours are cut there in version 3 as well. */
const longest = { error: 500, backtrace: 10_000 } as const

/**
 * What becomes of a row.
 *
 * A cancelled job is destroyed, as there is no such state. Version 3 knows no end but that: what has failed for good waits as after any other
 * failure, with Que's backoff.
 */
export function changeOf({ before, after }: Write, format: Format, now: Instant): Change {
  if (after === undefined || after.state === 'cancelled') return 'remove'
  if (after.state === 'completed' && !format.keeps) return 'remove'
  const failed = after.state === 'failed'
  const runAt = failed && !format.keeps ? now + queBackoffMs(after.attempt) : after.runAt
  const errorCount = after.state === 'completed' ? undefined : after.attempt
  const failure = after.failures.at(-1)
  const noted = after.failures === before.failures ? undefined : failure
  const put: Put = {
    priority: after.priority === before.priority ? undefined : after.priority,
    runAt: runAt === before.runAt ? undefined : runAt,
    errorCount: errorCount === errorsOf(before) ? undefined : errorCount,
    args: after.payload === before.payload ? undefined : toColumns(after, format),
    error: noted === undefined ? undefined : errorText(noted, format),
    backtrace: noted === undefined ? undefined : backtraceOf(noted),
    finishedAt: after.state === 'completed' ? after.finishedAt : undefined,
    expiredAt: failed && format.keeps ? after.finishedAt : undefined,
  }
  const ended = before.finishedAt !== undefined || put.finishedAt !== undefined || put.expiredAt !== undefined
  return !ended && Object.values(put).every((value) => value === undefined) ? 'nothing' : put
}

/** The error_count of a job as it was read. */
function errorsOf({ state, attempt }: Job): number {
  return state === 'running' || state === 'completed' ? attempt - 1 : attempt
}

function toColumns(job: Job, format: Format): Args | undefined {
  const args = toArgs(job.payload, format)
  return typeof args === 'string' ? undefined : args // refused before
}

/** As Ruby writes it: `Name: message`; in version 3 the backtrace follows on the next line. */
function errorText(failure: Failure, { keeps }: Format): string {
  const said = keeps || failure.message !== '' ? `${failure.name}: ${failure.message}` : failure.name
  const text = cut(clean(said), longest.error)
  const backtrace = backtraceOf(failure)
  return keeps || backtrace === undefined ? text : `${text}\n${backtrace}`
}

/** The stack without the name and message that it begins with. */
function backtraceOf({ name, message, stack }: Failure): string | undefined {
  if (stack === undefined) return undefined
  const head = [`${name}: ${message}\n`, `${message}\n`, `${name}\n`].find((beginning) => stack.startsWith(beginning))
  return cut(clean(stack.slice(head?.length ?? 0)), longest.backtrace)
}

/** PostgreSQL keeps no NUL, and no half of a surrogate pair. */
function clean(text: string): string {
  return text.replaceAll('\0', '').toWellFormed()
}

/** In characters as PostgreSQL counts them. */
function cut(text: string, max: number): string {
  return text.length <= max ? text : Array.from(text).slice(0, max).join('')
}
