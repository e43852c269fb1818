import { describe, it } from 'vitest'

import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { apply, everyWrite } from '../../src/testing/contract/apply.ts'
import { claiming, settling } from '../../src/testing/contract/claim.ts'
import { concurrency } from '../../src/testing/contract/concurrency.ts'
import { hold } from '../../src/testing/contract/index.ts'
import { batch, insert } from '../../src/testing/contract/insert.ts'
import { keyAgain } from '../../src/testing/contract/key-again.ts'
import { listen } from '../../src/testing/contract/listen.ts'
import { log } from '../../src/testing/contract/log.ts'
import { unique } from '../../src/testing/contract/unique.ts'
import { fixtures } from './contract-fixture.ts'
import { type Fault, faultyPool } from './faulty-pool.ts'

/** The promises about what changes. */
const cases = [
  ...insert,
  ...batch,
  ...unique,
  ...keyAgain,
  ...claiming,
  ...settling,
  ...concurrency,
  ...everyWrite,
  ...apply,
  ...log,
  ...listen,
]

/** What a fault makes impossible to tell, and what no program can do with the answer. */
const impossible = new Set([
  // A job that is there was added by us: ids are drawn by us, and nobody else draws the same.
  'refuses the whole call when an id is there already, and changes nothing',
  // Asked a second time, a batch that was refused meets also what came after it.
  'shows a later batch what an earlier one of the call has done, and nothing of one that was refused',
  // A job that is gone was removed by whoever was to remove it.
  'refuses a write of a job that is gone or was never there, and changes nothing',
  'never takes a new job for one that was removed',
  // Looked at after the loss, a job is as the claim of the same trip has left it.
  'shows with a refused settlement the job as it was when it was refused, not as the same call then took it',
  // Two at once: which of them has the fault, and which the second attempt, is not ours to say.
  'lets two store what they have decided on the same row at once, and one of them win',
])

const fault = dice()
const open = fixtures(
  async (url, schema) => {
    const { pool, end } = faultyPool(url, fault)
    return { store: await PostgresStore.open(url, { schema, pool }), close: end }
  },
  { fresh: false },
)

describe('the postgres store, its connections breaking at every second change,', () => {
  for (const one of cases)
    if (!impossible.has(one.promise) && one.needs?.includes('listen') !== true)
      it(one.promise, async () => await hold(one, open))
})

/** Whether a statement is broken before or after it was carried out; another order for every SEED. */
function dice(): () => Fault {
  let state = Number(process.env['SEED'] ?? 1)
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 16) % 2 === 0 ? 'answer lost' : 'request lost'
  }
}
