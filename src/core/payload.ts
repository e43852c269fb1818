import { PayloadError } from './errors.ts'
import { show } from './expect.ts'
import type { Payload } from './job.ts'

/** The largest payload and the largest result, in bytes of UTF-8 (or of the bytes themselves). */
export const payloadLimitBytes = 1_048_576

const deepest = 64

/**
 * What is stored for a value: bytes for a Uint8Array, JSON text for the rest, empty text for `undefined`.
 *
 * Whatever JSON would lose in silence is refused: functions, symbols, bigints, NaN, infinities, Map, Set, errors, nested bytes, cycles. Values
 * with `toJSON` (Date, URL) become what it returns, properties that are `undefined` are left out, and -0 becomes 0.
 * @throws PayloadError naming the place in the value, or its size when it is over 1 MiB
 */
export function encode(value: unknown, what: 'payload' | 'result'): Payload {
  if (value === undefined) return ''
  if (value instanceof Uint8Array) return checkSize(new Uint8Array(value), value.byteLength, what)
  check(value, what, 0)
  const text = stringify(value, what)
  return checkSize(text, text.length * 3 <= payloadLimitBytes ? 0 : Buffer.byteLength(text), what)
}

/**
 * What is stored of what a handler returned: JSON text, or `undefined` for nothing.
 * @throws PayloadError as `encode`, and for bytes
 */
export function encodeResult(value: unknown): string | undefined {
  const result = encode(value, 'result')
  if (typeof result !== 'string')
    throw new PayloadError('A result is JSON, not bytes. Store the bytes elsewhere and return a reference')
  return result === '' ? undefined : result
}

/**
 * The value that was stored, the caller's own: to change it changes no job. What was dropped by retention, and no payload at all, are
 * `undefined`.
 */
export function decode(payload: Payload | undefined): unknown {
  if (payload === undefined || payload === '') return undefined
  return typeof payload === 'string' ? JSON.parse(payload) : new Uint8Array(payload)
}

function stringify(value: unknown, what: string): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new PayloadError(
      `The ${what} cannot be stored as JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      [],
      { cause },
    )
  }
  if (text === undefined) throw new PayloadError(`The ${what} cannot be stored as JSON: its toJSON returned nothing`)
  return text
}

function checkSize<T extends Payload>(stored: T, bytes: number, what: string): T {
  if (bytes > payloadLimitBytes)
    throw new PayloadError(
      `The ${what} has ${bytes} bytes; at most ${payloadLimitBytes} are stored. Keep large data elsewhere and pass a reference`,
    )
  return stored
}

/** Walks the value once; the path is put together only when something is wrong. */
function check(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return
    case 'number':
      if (!Number.isFinite(value)) refuse(path, value)
      return
    case 'object':
      if (value !== null) checkObject(value, path, depth)
      return
    case 'bigint':
    case 'symbol':
    case 'function':
      refuse(path, value)
  }
}

function checkObject(value: object, path: string, depth: number): void {
  if (depth >= deepest)
    throw new PayloadError(
      `The payload or result is nested deeper than ${deepest} levels, or contains itself, at ${path}`,
    )
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (value[i] === undefined) refuse(`${path}[${i}]`, undefined)
      checkIn(value[i], path, i, depth)
    }
    return
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) refuse(path, value) // its toJSON says null
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) refuse(path, value) // a Buffer has a toJSON, too
  if ('toJSON' in value && typeof value.toJSON === 'function') return
  if (
    value instanceof Map ||
    value instanceof Set ||
    value instanceof Promise ||
    value instanceof RegExp ||
    value instanceof Error
  ) {
    refuse(path, value)
  }
  for (const [key, inner] of Object.entries(value)) checkIn(inner, path, key, depth)
}

function checkIn(inner: unknown, path: string, key: string | number, depth: number): void {
  if (typeof inner === 'string' || typeof inner === 'boolean') return
  const name =
    typeof inner === 'number' && Number.isFinite(inner)
      ? path
      : typeof key === 'number'
        ? `${path}[${key}]`
        : `${path}.${key}`
  check(inner, name, depth + 1)
}

function refuse(path: string, value: unknown): never {
  throw new PayloadError(`${path} cannot be stored as JSON: got ${show(value)}`)
}
