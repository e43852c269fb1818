import { pgBoss } from './pg-boss.ts'

/**
 * pg-boss as fast as its documentation lets it be: no supervision beside the work, batches of 500 fetched without a pause while they come
 * back full, and woken by LISTEN/NOTIFY. The handler gets the whole batch, and runs so many of it at a time as the work asks for.
 */
export default pgBoss('pg-boss', {
  boss: { supervise: false, schedule: false, useListenNotify: true },
  queue: { notify: true },
  batch: 500,
})
