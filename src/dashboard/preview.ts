import type { Job, Payload } from '../core/job.ts'
import { decode } from '../core/payload.ts'
import { indent } from './indent.ts'
import { hidden, type Redact, redacted, type Shown } from './redact.ts'
import type { Preview } from './shapes.ts'

/** How much of a payload, result or log datum is shown, in characters. */
export const previewChars = 65_536

type Owner = Pick<Job, 'id' | 'task' | 'queue'>

const none: Preview = { kind: 'none', text: '', size: 0, cut: false, redacted: false }

/** What is shown of a job's payload. */
export function payloadPreview(job: Job, redact: Redact | undefined): Preview {
  return job.payload === undefined ? { ...none, kind: 'dropped' } : storedPreview(job.payload, job, 'payload', redact)
}

/** What is shown of a stored value: JSON text, empty for none, or bytes. */
export function storedPreview(
  stored: Payload | undefined,
  job: Owner,
  part: Shown['part'],
  redact: Redact | undefined,
): Preview {
  if (stored === undefined || stored === '') return none
  if (redact === undefined) return typeof stored === 'string' ? jsonPreview(stored, false) : bytesPreview(stored, false)
  const value = decode(stored)
  const shown = redacted(redact, value, job, part)
  return shown === value && value instanceof Uint8Array ? bytesPreview(value, false) : shownPreview(shown, stored)
}

/** What is shown of a value that `redact` gave back. */
export function shownPreview(shown: unknown, stored?: Payload): Preview {
  if (shown === undefined) return { ...none, redacted: stored !== undefined }
  if (shown instanceof Uint8Array) return bytesPreview(shown, true)
  const text = toJson(shown)
  return jsonPreview(text, text !== stored)
}

/** The beginning of a payload for a list, in one line; `null` for none. */
export function payloadLine(job: Job, chars: number, redact: Redact | undefined): string | null {
  const text = payloadText(job, redact)
  if (text !== undefined) return cut(text, chars)
  return job.payload instanceof Uint8Array ? `${job.payload.byteLength} bytes` : null
}

/** A payload as the JSON text that is shown of it; `undefined` for none and for bytes. */
export function payloadText(job: Job, redact: Redact | undefined): string | undefined {
  if (job.payload === undefined || job.payload === '') return undefined
  if (redact === undefined) return typeof job.payload === 'string' ? job.payload : undefined
  const shown = redacted(redact, decode(job.payload), job, 'payload')
  return shown === undefined || shown instanceof Uint8Array ? undefined : toJson(shown)
}

export function cut(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1).toWellFormed()}…`
}

/** Indented where that fits, too. */
function jsonPreview(text: string, changed: boolean): Preview {
  const size = text.length
  if (size > previewChars)
    return { kind: 'json', text: text.slice(0, previewChars).toWellFormed(), size, cut: true, redacted: changed }
  const indented = indent(text)
  return { kind: 'json', text: indented.length > previewChars ? text : indented, size, cut: false, redacted: changed }
}

function bytesPreview(bytes: Uint8Array, changed: boolean): Preview {
  const text = Buffer.from(bytes.subarray(0, previewChars / 2)).toString('hex')
  const size = bytes.byteLength
  return { kind: 'bytes', text, size, cut: size > previewChars / 2, redacted: changed }
}

/** Whatever a redaction gives: it need not be what JSON can say. */
function toJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? JSON.stringify(hidden)
  } catch {
    return JSON.stringify(hidden)
  }
}
