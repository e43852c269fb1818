import { pgBoss } from './pg-boss.ts'

/**
 * pg-boss as fast as its documentation lets it be: no supervision beside the work, batches of 500 fetched without a pause while they come
 * back full; where pick-ups are measured it is woken by LISTEN/NOTIFY, which makes its enqueues slower. The handler gets the whole batch, and
 * runs so many of it at a time as the work asks for.
 */
export default pgBoss('pg-boss', {
  boss: (idle) => ({ supervise: false, schedule: false, useListenNotify: idle }),
  queue: (idle) => ({ notify: idle }),
  batch: 500,
})
