import type { Payload } from '../../core/job.ts'

/** Ids are bytes to Redis and text to us. One that is no UTF-8 is written as `bytes:` and hexadecimal digits. */
const hex = /^bytes:((?:[0-9a-f]{2})+)$/

export function toId(bytes: Buffer): string {
  const text = toUtf8(bytes)
  return text === undefined || hex.test(text) ? `bytes:${bytes.toString('hex')}` : text
}

export function fromId(id: string): Buffer {
  const [, digits] = hex.exec(id) ?? []
  return digits === undefined ? Buffer.from(id) : Buffer.from(digits, 'hex')
}

/**
 * The payload that data stands for: JSON where it is JSON, with its own blanks and digits; nothing where it is empty; otherwise the bytes.
 * With `bytes` it is always bytes.
 */
export function toPayload(data: Buffer, kind: 'json' | 'bytes'): Payload {
  if (kind === 'bytes') return new Uint8Array(data)
  if (data.length === 0) return ''
  const text = toUtf8(data)
  return text === undefined || !isJson(text) ? new Uint8Array(data) : text
}

export function fromPayload(payload: Payload | undefined): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload ?? '')
}

function toUtf8(bytes: Buffer): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined // no UTF-8
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
