import { firstIdAt } from '../../core/id.ts'
import type { Job } from '../../core/job.ts'
import type { JobFilter } from '../../store.ts'
import type { Link } from '../redis-client/link.ts'
import { escape, stateLetters, toJob, toList, toOptional, toText } from './row.ts'
import { scripts } from './script.ts'

/** The most rows of one answer. */
const mostAtOnce = 500

/**
 * One page, by id, in as many calls as it takes: each looks at a bounded number of rows, so that a filter that few jobs pass does not stop the
 * server. Jobs that move between the calls may be seen before or after.
 */
export async function listJobs(link: Link, filter: JobFilter): Promise<readonly Job[]> {
  const jobs: Job[] = []
  let after = filter.after ?? ''
  while (jobs.length < filter.limit) {
    const limit = Math.min(filter.limit - jobs.length, mostAtOnce)
    const [found, more] = toList(await link.run(scripts.list, toArgs(filter, after, limit)))
    const texts = toList(found).map(toText)
    for (let i = 0; i < texts.length; i += 3) jobs.push(toJob(texts[i] ?? '', texts[i + 1] ?? '', texts[i + 2] ?? ''))
    const last = jobs.at(-1)?.id
    after = texts.length / 3 === limit && last !== undefined ? last : toText(more)
    if (after === '') return jobs
  }
  return jobs
}

function toArgs(filter: JobFilter, after: string, limit: number): string[] {
  const { queue, task, state, createdFrom, createdUntil, uniqueKey, parent } = filter
  return [
    filter.order === 'oldest' ? '1' : '0',
    after,
    String(limit),
    // An id is never older than its job, though it may be younger, where a clock went back.
    createdFrom === undefined ? '' : firstIdAt(createdFrom),
    queue === undefined ? '*' : escape(queue),
    task === undefined ? '*' : escape(task),
    state === undefined ? '*' : stateLetters[state],
    createdFrom === undefined ? '*' : String(createdFrom),
    createdUntil === undefined ? '*' : String(createdUntil),
    uniqueKey === undefined ? '*' : toOptional(uniqueKey),
    parent === undefined ? '*' : toOptional(parent),
  ]
}
