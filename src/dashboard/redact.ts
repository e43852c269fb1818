import type { Job } from '../core/job.ts'

/** What a value to be shown belongs to. */
export interface Shown {
  readonly id: string
  readonly task: string
  readonly queue: string
  /** `failure`: the value is `{ name, message, stack }` · `log`: it is `{ message, data }`. */
  readonly part: 'payload' | 'result' | 'failure' | 'log'
}

/**
 * Gives what may be shown in place of a value that jobs hold; called for every payload, result, failure and log line before it leaves the
 * server or is searched. It must not change the value it is given. If it throws, nothing of the value is shown.
 */
export type Redact = (value: unknown, job: Shown) => unknown

/** What is shown of a value whose redaction failed. */
export const hidden = '[redacted]'

export function redacted(
  redact: Redact | undefined,
  value: unknown,
  job: Pick<Job, 'id' | 'task' | 'queue'>,
  part: Shown['part'],
): unknown {
  if (redact === undefined) return value
  try {
    return redact(value, { id: job.id, task: job.task, queue: job.queue, part })
  } catch {
    return hidden // it is there to keep secrets: when in doubt, all of it is one
  }
}
