import type { Job, Payload } from '../../core/job.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The column `task` of a payload: JSON, and a line end behind it, as Go's encoder has it. No payload is a task without fields, `{}`. */
export function toTask(payload: Payload | undefined): Uint8Array {
  return Buffer.from(`${payload === undefined || payload === '' ? '{}' : String(payload)}\n`)
}

/** Why a row cannot hold a job, if it cannot. */
export function refusal({ task, queue, payload }: Pick<Job, 'task' | 'queue' | 'payload'>): string | undefined {
  if (queue !== task)
    return `its queue is "${queue}" and its task "${task}", where a queue of backlite has one task, which is called as the queue is`
  if (payload instanceof Uint8Array) return 'its payload is bytes, where Go reads JSON'
  return undefined
}

/**
 * The payload of a column `task`: its text as it stands there, numbers beyond 2^53 whole, without the line end; or bytes, if whoever wrote it
 * did not write JSON.
 */
export function toPayload(task: Uint8Array): Payload {
  try {
    const text = utf8.decode(task)
    JSON.parse(text)
    return text.endsWith('\n') ? text.slice(0, -1) : text
  } catch {
    return new Uint8Array(task)
  }
}

/** Whether two payloads are the same, to the letter. */
export function samePayload(a: Payload | undefined, b: Payload | undefined): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return a === b
}
