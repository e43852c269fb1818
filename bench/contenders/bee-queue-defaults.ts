import { beeQueue } from './bee-queue.ts'

/** bee-queue as it comes: it keeps every finished job, and tells the producer of each. */
export default beeQueue('bee-queue-defaults', {
  producer: {},
  worker: () => ({}),
  finished: ['kept'],
})
