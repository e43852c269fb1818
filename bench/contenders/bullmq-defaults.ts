import { bullmq } from './bullmq.ts'

/** BullMQ as it comes: it keeps every finished job. */
export default bullmq('bullmq-defaults', {
  jobs: () => ({}),
  finished: ['kept'],
})
