import { bullmq } from './bullmq.ts'

/** BullMQ as its documentation says to make it fast: one worker with all the concurrency (to divide it among two, four or ten was no faster), and finished jobs are removed at once. */
export default bullmq('bullmq', {
  jobs: (keep) => ({ removeOnComplete: !keep, removeOnFail: true }),
  finished: ['removed', 'kept'],
})
