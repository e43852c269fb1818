import type { Job } from '../../core/job.ts'
import type { RedisWorkQueueSettings } from './options.ts'

/** Why an item cannot be this job, if it cannot. */
export function refusal(job: Job, { task, queue, prefix, payload }: RedisWorkQueueSettings): string | undefined {
  if (job.task !== task)
    return `items have no names, and those of the prefix ${JSON.stringify(prefix)} are the jobs of one task, "${task}", not "${job.task}"`
  if (job.queue !== queue) return `its jobs are all in the queue "${queue}", not "${job.queue}"`
  if (job.unique !== undefined && job.unique.until !== 'settled')
    return "its unique key becomes its id, which is held until the job is settled: say { key, until: 'settled' }"
  if (payload === 'bytes' && job.payload !== '' && typeof job.payload === 'string')
    return "its payload has to be bytes, as the option payload: 'bytes' says"
  return undefined
}
