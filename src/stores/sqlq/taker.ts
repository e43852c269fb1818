import type { Job } from '../../core/job.ts'
import type { ClaimRequest } from '../../store.ts'
import { numberArray, textArray } from '../pg/array.ts'
import { type Candidate, choose } from './choose.ts'
import type { Lease } from './leases.ts'
import { toCandidate, toRead } from './row.ts'
import type { Ask } from './serializable.ts'
import { begin, candidates } from './statements.ts'

/** Takes jobs, in one transaction of `Serializable`: what is read here must hold until the commit. In claim order. */
export async function takeJobs(request: ClaimRequest, ask: Ask): Promise<readonly Lease[]> {
  const { queues, tasks, limit, now, until } = request
  const open = tasks === undefined ? undefined : [...tasks].filter(([, most]) => most > 0)
  if (limit === 0 || open?.length === 0 || queues?.length === 0) return []
  const named =
    open === undefined
      ? []
      : [names(open.map(([task]) => task)), numberArray(open.map(([, most]) => Math.min(most, limit)))]
  const rows = await ask(candidates(open === undefined ? 'any' : 'named'), [
    queues === undefined ? null : names(queues),
    String(limit),
    String(now),
    ...named,
  ])
  const chosen = choose(rows.map(toCandidate), limit, tasks)
  if (chosen.length === 0) return []
  const begun = await ask(begin, [names(chosen.map(({ id }) => id)), String(now), String(Math.max(1, until - now))])
  const byId = new Map(begun.map(toRead).map((read) => [read.job.id, read]))
  return chosen.flatMap(({ id, keepalive }: Candidate): readonly Lease[] => {
    const read = byId.get(id)
    if (read === undefined) return []
    const job: Job = { ...read.job, lease: request.lease, leaseUntil: until }
    return [{ job, run: read.run, keepalive }]
  })
}

/** An array that is never null. */
export function names(all: readonly string[]): string {
  return textArray(all) ?? '{}'
}
