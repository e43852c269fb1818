import { madeAt } from '../../core/id.ts'
import type { Instant } from '../../core/job.ts'
import { type Counts, defaultQueueSettings, type QueueStats } from '../../store.ts'
import type { Items } from './items.ts'
import { earliest } from './lister.ts'
import { keepsWaiting } from './names.ts'
import { type Reading, unknown } from './row.ts'

export function toQueueStats(
  { waiting, next, held }: Awaited<ReturnType<Items['counts']>>,
  { task, queue }: Reading,
  now: Instant,
): readonly QueueStats[] {
  const later = held.filter(({ lease }) => keepsWaiting(lease))
  const counts: Counts = {
    pending: waiting + later.length,
    running: held.length - later.length,
    completed: 0,
    failed: 0,
    cancelled: 0,
  }
  const nextRunAt = earliest(
    next === undefined ? undefined : (madeAt(next) ?? unknown),
    ...later.map(({ leftMs }) => now + leftMs),
  )
  return [{ queue, ...defaultQueueSettings, counts, tasks: { [task]: counts }, nextRunAt }]
}
