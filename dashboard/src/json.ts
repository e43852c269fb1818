/** A number whose digits a JavaScript number cannot hold: shown as it was written. */
export class ExactNumber {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

/** Reads JSON without losing digits. @throws SyntaxError */
export function parseJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source
    if (typeof value !== 'number' || source === undefined || sameNumber(value, source)) return value
    return new ExactNumber(source)
  })
}

/** Writes what `parseJson` has read, indented by two. */
export function writeJson(value: unknown): string {
  const raw: string[] = []
  const mark = `exact-${Math.random().toString(36).slice(2)}-`
  const text = JSON.stringify(
    value,
    (_key, part: unknown) => (part instanceof ExactNumber ? `${mark}${raw.push(part.source) - 1}` : part),
    2,
  )
  return text.replaceAll(new RegExp(`"${mark}(\\d+)"`, 'g'), (_whole, index) => raw[Number(index)] ?? '')
}

/** The first number in what `parseJson` has read whose digits a JavaScript number cannot hold. */
export function inexactIn(value: unknown): string | undefined {
  if (value instanceof ExactNumber) return value.source
  if (typeof value !== 'object' || value === null) return undefined
  for (const part of Object.values(value)) {
    const found = inexactIn(part)
    if (found !== undefined) return found
  }
  return undefined
}

/** Why a text is no JSON, in one line; `undefined` if it is. */
export function faultInJson(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return `This is not JSON yet: ${error instanceof Error ? error.message : String(error)}`
  }
}

function sameNumber(value: number, source: string): boolean {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) return false
  return !/^-?\d+\.\d{17,}$/.test(source)
}
