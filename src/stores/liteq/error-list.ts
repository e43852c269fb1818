import { failureBounds } from '../../core/failure.ts'
import type { Failure, Instant } from '../../core/job.ts'

/** What liteq notes of a job that it has taken back. */
export const expiry = 'visibility timeout expired'

/** The column `errors`, text or bytes: a list of texts, the oldest first. What is no such list counts as one error. */
export function readErrors(column: string | Uint8Array): readonly string[] {
  const text = typeof column === 'string' ? column : Buffer.from(column).toString()
  try {
    const list: unknown = JSON.parse(text)
    if (list === null) return []
    if (Array.isArray(list)) return list.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
  } catch {
    // no list: see above
  }
  return [text]
}

/** The bytes that Go writes for a list: JSON, in which HTML is made harmless. */
export function writeErrors(errors: readonly string[]): Uint8Array {
  const text = JSON.stringify(errors.map((error) => error.toWellFormed()))
  return Buffer.from(
    text.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )
}

/** Go's errors are their message alone; ours say what kind they are where that is more than `Error`. */
export function toErrorText({ name, message }: Failure): string {
  return /^[A-Z]\w*Error$/.test(name) && name !== 'Error' ? `${name}: ${message}` : message
}

/** The last of the errors as failures, one for each attempt. When each happened is not kept. */
export function toFailures(errors: readonly string[], at: Instant): readonly Failure[] {
  const first = Math.max(0, errors.length - failureBounds.count)
  return errors.slice(first).map((text, i) => ({ attempt: first + i + 1, at, ...described(text) }))
}

function described(text: string): Pick<Failure, 'name' | 'message'> {
  if (text === expiry) return { name: 'LeaseExpiredError', message: text }
  const [, name = 'Error', message = text] = /^([A-Z]\w{0,94}Error): ([^]*)$/.exec(text) ?? []
  return { name, message: message.slice(0, failureBounds.message) }
}
