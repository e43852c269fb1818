import { existsSync } from 'node:fs'

import { Pool } from 'pg'

import type { Instant } from '../../../src/core/job.ts'
import { PostgresStore } from '../../../src/stores/postgres/index.ts'
import { postgresSettings } from '../../../src/stores/postgres/options.ts'
import { calm, loadDriver } from '../../../src/stores/pg/pg.ts'
import { toStoreError } from '../../../src/stores/pg/trouble.ts'
import { startPostgres } from '../../servers/postgres.ts'
import type { Access, Backend, Count, Effect, Ground, RowLeft } from '../backend.ts'
import { Failpoints } from '../failpoints.ts'
import type { Part, Plan } from '../plan.ts'
import { type WatchedClient, type WatchedDriver, watchedDriver } from './driver.ts'
import { readTape, startTape } from './tape.ts'

/**
 * PostgreSQL: a server of the run's own, in memory where there is such a folder, which can be crashed. A process that is killed leaves its
 * connections to the server, which rolls back what was open in them.
 */
export const postgres: Backend = { transactional: true, prepare, enter }

/** A process starts again and again: no more connections than it needs. */
const connections = 2

async function prepare(plan: Plan, epoch: Instant): Promise<Ground> {
  const server = await startPostgres(existsSync('/dev/shm') ? { parent: '/dev/shm' } : {})
  const judge: Part = { plan, epoch, address: server.url, role: 'worker', slot: 0, who: 'judge' }
  const store = (await open(judge, new Failpoints(judge, { write: () => undefined }))).store
  await store.migrate()
  const pool = new Pool({ connectionString: server.url, max: 2 })
  pool.on('error', () => undefined) // the server is crashed now and then
  await startTape(pool, plan, epoch)
  const all = async <Row extends object>(sql: string): Promise<readonly Row[]> => (await pool.query<Row>(sql)).rows
  return {
    address: server.url,
    store,
    records: {
      drained: async () =>
        (await all<{ left: boolean }>('select exists (select from jobferry.job where state < 2) as left'))[0]?.left ===
        false,
      tape: () => readTape(pool),
      effects: async () => await all('select job, lease from chaos.effect'),
      children: async () => await all('select parent, child from chaos.child_of'),
      rows: async () => await all<RowLeft>('select id, state, attempt, parked::integer from jobferry.job'),
      recount: async () =>
        await all<Count>(`
          select u.name as queue, l.task, j.state, count(*)::float8 as n
          from jobferry.job j join jobferry.lane l on l.id = j.lane join jobferry.queue u on u.id = l.queue
          group by 1, 2, 3`),
      faults: async () => await faultsOf(pool),
    },
    crash: async () => {
      await server.kill()
      await server.start()
    },
    [Symbol.asyncDispose]: async () => {
      await store.close()
      await pool.end()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Every index holds what its table holds, in its order. */
async function faultsOf(pool: Pool): Promise<readonly string[]> {
  try {
    await pool.query('create extension if not exists amcheck')
    await pool.query(`
      select bt_index_check(i.indexrelid, true)
      from pg_index i join pg_class c on c.oid = i.indrelid
      where c.relnamespace = 'jobferry'::regnamespace`)
    return []
  } catch (error) {
    return [String(error)]
  }
}

async function enter(part: Part, failpoints: Failpoints): Promise<Access> {
  const { store, driver } = await open(part, failpoints)
  const pool = driver.pool(connections)
  calm(pool)
  return {
    store,
    application: (jobs) => ({
      effect: async (effect) => await inTransaction(await pool.connect(), (tx) => addEffect(tx, effect)),
      /** In turn in a transaction of the store's making, and in one of the application's. */
      complete: async (job, effect, child) => {
        const write = async (tx: Queryable): Promise<void> => {
          if (effect !== undefined) await addEffect(tx, effect)
          if (child === undefined) return
          const [enqueued] = await jobs.enqueueMany([child], { tx })
          await tx.query('insert into chaos.child_of values ($1, $2)', [job.id, enqueued?.id ?? null])
        }
        if (job.createdAt % 2 === 0) {
          await job.transaction(write)
          return
        }
        await inTransaction(await pool.connect(), async (tx) => {
          await write(tx)
          await job.complete(undefined, { tx })
        })
      },
      enqueue: async (entries, beforeCommit) =>
        await toldAsStoreErrors(async () =>
          inTransaction(await pool.connect(), async (tx) => {
            const enqueued = await jobs.enqueueMany(entries, { tx })
            beforeCommit(enqueued)
            return enqueued
          }),
        ),
    }),
  }
}

async function open(
  part: Part,
  failpoints: Failpoints,
): Promise<{ readonly store: PostgresStore; readonly driver: WatchedDriver }> {
  const settings = postgresSettings({
    applicationName: part.who,
    connections,
    transactions: connections,
    connectTimeout: '2s',
    timeout: '5s',
  })
  const real = await loadDriver(part.address, settings)
  const driver = watchedDriver(real, part, failpoints)
  return { store: new PostgresStore(settings, driver), driver }
}

/** What is used of a transaction's handle, whoever has made it. */
interface Queryable {
  query(text: string, values?: (string | null)[]): Promise<unknown>
}

async function addEffect(tx: Queryable, { job, lease, attempt, who, at }: Effect): Promise<void> {
  await tx.query('insert into chaos.effect values ($1, $2, $3, $4, $5)', [job, lease, String(attempt), who, String(at)])
}

async function toldAsStoreErrors<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw toStoreError(error)
  }
}

/** A connection on which anything has failed is closed: the server rolls back. */
async function inTransaction<T>(client: WatchedClient, act: (tx: WatchedClient) => Promise<T>): Promise<T> {
  let failed = true
  try {
    await client.query('begin')
    const result = await act(client)
    await client.query('commit')
    failed = false
    return result
  } finally {
    client.release(failed)
  }
}
