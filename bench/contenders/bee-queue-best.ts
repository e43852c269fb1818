import { beeQueue } from './bee-queue.ts'

/** bee-queue with all switched off that its documentation says may be: events, the jobs kept in the producer's memory, and finished jobs. */
export default beeQueue('bee-queue', {
  producer: { isWorker: false, getEvents: false, sendEvents: false, storeJobs: false },
  worker: (keep) => ({ getEvents: false, sendEvents: false, storeJobs: false, removeOnSuccess: !keep }),
  finished: ['removed', 'kept'],
})
