import type { Job, Payload } from '../../core/job.ts'
import type { Format } from './format.ts'

/** The arguments of a job as their columns have them: JSON text. */
export interface Args {
  readonly args: string
  /** `{}` for none; not stored where there is no column for them. */
  readonly kwargs: string
}

/**
 * The arguments that a payload stands for: a list is `args`, nothing is none, and `{ args, kwargs }` is both, from version 6 on. The other way
 * round, whoever runs the job gets the list, or both where there are keywords.
 *
 * Gives the reason, as text, why it cannot be stored.
 */
export function toArgs(payload: Payload | undefined, format: Format): Args | string {
  if (payload instanceof Uint8Array) return 'its payload is bytes, and arguments are JSON'
  if (payload === undefined || payload === '') return { args: '[]', kwargs: '{}' }
  if (format.keeps && unstorable.test(payload))
    return 'its payload has a NUL character or half of a surrogate pair, which jsonb does not take'
  const value: unknown = JSON.parse(payload)
  if (Array.isArray(value) || format.args === 'any') return { args: payload, kwargs: '{}' }
  if (isObject(value) && Object.keys(value).every((key) => key === 'args' || key === 'kwargs'))
    return withKeywords(value, format)
  return 'its payload has to be the list of its arguments, [a, b], or { args: [a, b], kwargs: { c: d } }'
}

/** Why a row cannot hold a job, if it cannot: what Que's own checks would refuse. Lengths in characters, as PostgreSQL counts them. */
export function refusal({ queue, task, payload }: Job, format: Format): string | undefined {
  if (format.keeps && Array.from(queue).length > 100) return 'its queue has a name of more than 100 characters'
  if (format.keeps && Array.from(task).length > 200) return 'its task has a name of more than 200 characters'
  const args = toArgs(payload, format)
  return typeof args === 'string' ? args : undefined
}

/** The payload of a row. */
export function toPayload(args: string, kwargs: string): string {
  return kwargs === '{}' ? args : `{"args":${args},"kwargs":${kwargs}}`
}

function withKeywords(value: Readonly<Record<string, unknown>>, { keywords, version }: Format): Args | string {
  const { args = [], kwargs = {} } = value
  if (!Array.isArray(args)) return '`args` of its payload has to be a list'
  if (!isObject(kwargs)) return '`kwargs` of its payload has to be an object'
  if (!keywords && Object.keys(kwargs).length > 0)
    return `version ${version} has no column for keyword arguments: give them as the last of the list, where Ruby looks for them`
  return { args: JSON.stringify(args), kwargs: JSON.stringify(kwargs) }
}

/** An escape, not an escaped backslash, for a character that jsonb refuses. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
