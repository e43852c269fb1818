import { DatabaseSync } from 'node:sqlite'
import { rawContender } from './raw-sql.ts'

const full = 'pragma synchronous = full'
const relaxed = 'pragma synchronous = normal'

/** The raw limit on the driver that we use. At `default` it is set as our own default is: enqueues at FULL, claims and settlements at NORMAL. */
export default rawContender(
  'raw',
  (file) => new DatabaseSync(file),
  (durability) => ({
    enqueue: durability === 'relaxed' ? relaxed : full,
    settle: durability === 'full' ? full : relaxed,
  }),
)
