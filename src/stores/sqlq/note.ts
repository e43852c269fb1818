import { failureBounds } from '../../core/failure.ts'
import type { Failure, Instant } from '../../core/job.ts'

/**
 * A failure as a line of the job's log, since no column of sqlq's has it: `attempt 2 failed: Error: no route`, with the stack below. A run whose
 * worker died is noted as sqlq's own reaper notes it.
 */
export interface Note {
  readonly level: 'warn' | 'error'
  readonly message: string
  readonly at: Instant
}

/** What `core/lifecycle.ts` calls a run whose lease ran out. */
const expiredName = 'LeaseExpiredError'

export function toNote({ attempt, at, name, message, stack }: Failure, again: boolean): Note {
  if (name === expiredName)
    return { level: 'warn', message: `job has timed out and is now marked as ${again ? 'pending' : 'errored'}`, at }
  const trace = stack === undefined ? '' : traceOf(stack, name, message)
  return { level: 'error', message: clean(`attempt ${attempt} failed: ${name}: ${message}${trace}`), at }
}

/** Lines that can be notes, as a condition on `l`. */
export const isNote: string = `l.level in ('warn', 'error')
      and (l.message like 'attempt % failed: %' or l.message like 'job has timed out and is now marked as %')`

/** The failure that a line tells of; `undefined` if it is another kind of line. `before` is the one noted before it. */
export function toFailure(line: string, at: Instant, before: Failure | undefined): Failure | undefined {
  if (line.startsWith('job has timed out and is now marked as '))
    return { attempt: (before?.attempt ?? 0) + 1, at, name: expiredName, message: line }
  const [, attempt, name, rest] = /^attempt (\d{1,9}) failed: ([^\n]{1,100}?): ([^]*)$/.exec(line) ?? []
  if (attempt === undefined || name === undefined || rest === undefined) return undefined
  const end = rest.search(/\n\s+at /)
  const message = end < 0 ? rest : rest.slice(0, end)
  const failure = { attempt: Number(attempt), at, name, message: message.slice(0, failureBounds.message) }
  return end < 0 ? failure : { ...failure, stack: `${name}: ${rest}`.slice(0, failureBounds.stack) }
}

/** PostgreSQL keeps no NUL, and no half of a surrogate pair. */
export function clean(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed()
}

/** The lines of a stack below the name and message that it begins with. */
function traceOf(stack: string, name: string, message: string): string {
  const head = [`${name}: ${message}\n`, `${message}\n`, `${name}\n`].find((beginning) => stack.startsWith(beginning))
  return `\n${stack.slice(head?.length ?? 0)}`
}
