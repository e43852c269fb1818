import { add } from './add.ts'
import { claim } from './claim.ts'
import { enqueue } from './enqueue.ts'
import { exchange } from './exchange.ts'
import { inTx } from './in-tx.ts'
import { insertBatches } from './insert-batches.ts'
import { insertEach } from './insert-each.ts'
import { lanesOf } from './lanes-of.ts'
import { logLines } from './log-lines.ts'
import { prune } from './prune.ts'
import { renew } from './renew.ts'
import { settle } from './settle.ts'
import { sumUp } from './sum-up.ts'
import { takeFromLane } from './take-from-lane.ts'
import { unpark } from './unpark.ts'
import { writeEach } from './write-each.ts'

/**
 * The functions that live in the schema beside the tables, in an order in which each finds those it calls. Made anew by every migration.
 * `@` stands for the quoted schema, `@channel` for the channel of its bells.
 */
export const functions: readonly string[] = [
  lanesOf,
  unpark,
  add,
  settle,
  writeEach,
  insertEach,
  insertBatches,
  takeFromLane,
  claim,
  exchange,
  renew,
  prune,
  sumUp,
  logLines,
  inTx,
  enqueue,
]
