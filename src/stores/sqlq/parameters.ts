import type { Instant, Job, JobPolicy, Payload } from '../../core/job.ts'

/** The longest time that nanoseconds in a bigint can tell, in milliseconds: 292 years. */
const longestMs = 9_223_372_036_854

/** The parameters of a job as their column has them: JSON text, or null for none. */
export function toParameters(payload: Payload | undefined): string | null {
  return typeof payload === 'string' && payload !== '' ? payload : null
}

/** The payload of a row. */
export function toPayload(parameters: string | null): string {
  return parameters ?? ''
}

/** Why a row cannot hold a job, if it cannot. */
export function refusal({ payload, runAt, createdAt, policy }: Job): string | undefined {
  if (payload instanceof Uint8Array) return 'its payload is bytes, and `parameters` are JSON'
  if (typeof payload === 'string' && unstorable.test(payload))
    return 'its payload has a NUL character or half of a surrogate pair, which jsonb does not take'
  if (Math.abs(runAt - createdAt) > longestMs) return 'its time is more than 292 years from now'
  return policy === undefined ? undefined : policyRefusal(policy)
}

/** How long a job's own policy keeps it once it has finished, in milliseconds; 0 for ever, as sqlq has it. */
export function ttlOf(policy: JobPolicy | undefined): number {
  return policy?.retention?.completed ?? 0
}

/** JSON that jsonb takes: what it does not is replaced. Only for what cannot be refused any more. */
export function storable(json: string): string {
  return unstorable.test(json) ? json.replaceAll(everyUnstorable, String.raw`$1\ufffd`) : json
}

/** There are columns for the attempts of a job and for one length of time that it is kept, whatever its end. */
function policyRefusal({ backoff, timeoutMs, retention }: JobPolicy): string | undefined {
  if (backoff !== undefined) return 'there is no column for a backoff of its own ("policy"); its task may have one'
  if (timeoutMs !== undefined) return 'there is no column for a timeout of its own ("policy"); its task may have one'
  if (retention === undefined) return undefined
  const { completed, failed, cancelled, payload } = retention
  if (completed !== failed || completed !== cancelled)
    return 'there is one column for its retention ("policy"): give completed, failed and cancelled the same'
  if (payload !== 'all') return 'there is no column for what becomes of its payload ("policy"); its task may say it'
  if (completed === 0) return 'its retention cannot be "not at all" ("policy"); its task may say that'
  return (completed ?? 0) > longestMs ? 'its retention is longer than 292 years' : undefined
}

/** An escape, not an escaped backslash, for a character that jsonb refuses: JSON.stringify writes no half pair but as an escape. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i
const everyUnstorable = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/gi

/** How far from `now` an instant is, and since when that counts: a time past is its own beginning. Milliseconds. */
export function toRunAfter(runAt: Instant, now: Instant): { readonly queuedAt: Instant; readonly afterMs: number } {
  return { queuedAt: Math.min(runAt, now), afterMs: Math.max(0, runAt - now) }
}
