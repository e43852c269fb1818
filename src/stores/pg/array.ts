/**
 * Arrays as PostgreSQL writes them in text: the quickest way to hand over a column, and the same for every driver. An array of nothing but
 * nulls is null: `unnest` fills it up.
 */
export function textArray(values: readonly (string | null | undefined)[]): string | null {
  let text = ''
  let any = false
  for (const value of values) {
    if (value === null || value === undefined) {
      text += ',null'
      continue
    }
    any = true
    text += needsEscape.test(value) ? `,"${value.replaceAll(escaped, '\\$&')}"` : `,"${value}"`
  }
  return any ? `{${text.slice(1)}}` : null
}

export function numberArray(values: readonly (number | undefined)[]): string | null {
  let text = ''
  let any = false
  for (const value of values) {
    if (value === undefined) {
      text += ',null'
      continue
    }
    any = true
    text += `,${value}`
  }
  return any ? `{${text.slice(1)}}` : null
}

const needsEscape = /["\\]/
const escaped = /["\\]/g
