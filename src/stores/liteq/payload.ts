import type { Job, Payload } from '../../core/job.ts'
import type { Flavour } from './format.ts'

/** What the text of a job is: see the option. */
export type PayloadKind = 'json' | 'text'

/** The task that works a queue: the one of its name. A queue without a name is worked by the task `default`. */
export function taskOf(queue: string): string {
  return queue === '' ? 'default' : queue
}

/** The queues that a task works. */
export function queuesOf(task: string): readonly string[] {
  return task === 'default' ? ['default', ''] : task === '' ? [] : [task]
}

/** Why a row cannot hold a job, if it cannot. */
export function refusal(job: Job, kind: PayloadKind, flavour: Flavour): string | undefined {
  const { task, queue, payload, unique, concurrencyKey } = job
  if (task !== taskOf(queue))
    return `a row of liteq names no task: jobs of the queue ${JSON.stringify(queue)} are worked by the task "${taskOf(queue)}". Give the task "${task}" the queue of its name, or none`
  if (unique !== undefined && unique.until !== 'claimed')
    return `its unique key is to be held longer than until it is claimed, which is as long as liteq holds one`
  if (concurrencyKey !== undefined && (flavour === 'raw' || unique?.key !== concurrencyKey))
    return 'it has a concurrency key, for which there is no column'
  const text = toColumnText(payload, kind)
  return typeof text === 'string' ? undefined : text.reason
}

/** The text that is stored for a payload, or why there is none. */
export function toColumnText(payload: Payload | undefined, kind: PayloadKind): string | { readonly reason: string } {
  if (payload instanceof Uint8Array) return { reason: 'its payload is bytes, and a job of liteq is text' }
  if (payload === undefined || payload === '' || kind === 'json') return payload ?? ''
  const value: unknown = JSON.parse(payload)
  if (typeof value !== 'string')
    return { reason: "its payload has to be text, as the store was opened with payload: 'text'" }
  if (value.includes('\0') || !value.isWellFormed())
    return { reason: 'its payload has a NUL character or half of a surrogate pair, which the table does not keep' }
  return value
}

/** The payload of a row: JSON text. In a `json` table, text that is none becomes the JSON of that text. */
export function toPayload(text: string, kind: PayloadKind): string {
  if (kind === 'text') return JSON.stringify(text)
  return text === '' || isJson(text) ? text : JSON.stringify(text)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
