import { DatabaseSync } from 'node:sqlite'

import { SqliteStore } from '../../../src/stores/sqlite/index.ts'
import type { Access, Backend, Count, Ground, Records, RowLeft } from '../backend.ts'
import type { Failpoints } from '../failpoints.ts'
import { files, type Part, type Plan } from '../plan.ts'
import { Handle } from './handle.ts'
import { readTape, startTape } from './tape.ts'

/** SQLite: a file in the folder of the run. Everything happens at once, and a commit is a call that can be stood before. */
export const sqlite: Backend = { transactional: true, prepare, enter }

async function prepare({ dir }: Plan): Promise<Ground> {
  const file = files.database(dir)
  const store = new SqliteStore({ file })
  await store.migrate()
  startTape(file)
  const db = new DatabaseSync(file)
  const all = (sql: string): readonly unknown[] => db.prepare(sql).all()
  return {
    address: file,
    store,
    records: {
      drained: async () => all('select 1 from jobferry_job where state < 2 limit 1').length === 0,
      tape: async function* () {
        yield* readTape(db)
      },
      effects: async () => all('select job, lease from effect') as Awaited<ReturnType<Records['effects']>>,
      children: async () => all('select parent, child from child_of') as Awaited<ReturnType<Records['children']>>,
      rows: async () => all('select id, state, attempt, parked from jobferry_job') as readonly RowLeft[],
      recount: async () =>
        all(`
          select queue.name queue, task, state, count(*) n
          from jobferry_job job join jobferry_lane lane on lane.id = job.lane join jobferry_queue queue on queue.id = lane.queue
          group by 1, 2, 3`) as readonly Count[],
      faults: async () => {
        const words = all('pragma integrity_check') as readonly { readonly integrity_check: string }[]
        return words.map((row) => row.integrity_check).filter((word) => word !== 'ok')
      },
    },
    [Symbol.asyncDispose]: async () => {
      db.close()
      store.close()
    },
  }
}

async function enter(part: Part, failpoints: Failpoints): Promise<Access> {
  const store = new SqliteStore({ file: part.address, driver: (file) => new Handle(file, part, failpoints) })
  const db = new Handle(part.address, part, failpoints)
  db.exec('pragma busy_timeout = 5000; pragma synchronous = full')
  const addEffect = db.prepare('insert into effect values (?, ?, ?, ?, ?)')
  const addChild = db.prepare('insert into child_of values (?, ?)')
  return {
    store,
    application: (jobs) => ({
      effect: ({ job, lease, attempt, who, at }) => void addEffect.run(job, lease, attempt, who, at),
      complete: (job, effect, child) =>
        inTransaction(db, () => {
          if (effect !== undefined) addEffect.run(effect.job, effect.lease, effect.attempt, effect.who, effect.at)
          if (child !== undefined) addChild.run(job.id, jobs.enqueueMany([child], { tx: db })[0]?.id ?? null)
          job.complete(undefined, { tx: db })
        }),
      enqueue: (entries, beforeCommit) =>
        inTransaction(db, () => {
          const enqueued = jobs.enqueueMany(entries, { tx: db })
          beforeCommit(enqueued)
          return enqueued
        }),
    }),
  }
}

function inTransaction<T>(db: Handle, act: () => T): T {
  db.exec('begin immediate')
  try {
    const result = act()
    db.exec('commit')
    return result
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    throw error
  }
}
