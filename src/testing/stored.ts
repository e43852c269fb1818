/** What becomes of a payload by being stored as JSON: a Date is text, a URL too, a function is refused. Bytes stay bytes. */
export type Stored<T> = T extends { toJSON(): infer Json }
  ? Json
  : T extends Uint8Array | string | number | boolean | null | undefined
    ? T
    : T extends object
      ? { readonly [Key in keyof T]: Stored<T[Key]> }
      : T

/** Some of a payload: of objects any of their properties, of the rest all. */
export type Some<T> = T extends readonly unknown[] | Uint8Array | { toJSON(): unknown }
  ? T
  : T extends object
    ? { readonly [Key in keyof T]?: Some<T[Key]> }
    : T

/** Whether a stored value has everything that is wanted: objects may have more, arrays and the rest must be equal. */
export function has(stored: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return Object.is(stored, wanted)
  if (typeof stored !== 'object' || stored === null) return false
  if (Array.isArray(wanted) || wanted instanceof Uint8Array) return hasAll(stored, wanted)
  if (Array.isArray(stored) || stored instanceof Uint8Array) return false
  const inner = new Map<string, unknown>(Object.entries(stored))
  return Object.entries(wanted).every(([key, value]) => inner.has(key) && has(inner.get(key), value))
}

function hasAll(stored: object, wanted: readonly unknown[] | Uint8Array): boolean {
  if (!Array.isArray(stored) && !(stored instanceof Uint8Array)) return false
  if (stored.length !== wanted.length || Array.isArray(stored) !== Array.isArray(wanted)) return false
  return Array.from(wanted).every((value, i) => has(stored[i], value))
}
