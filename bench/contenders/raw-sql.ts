import { type BenchJob, batches, type Contender, type Session } from '../contender.ts'
import { sqliteFile } from './sqlite-file.ts'

/** The part of node:sqlite and better-sqlite3 that the raw limit needs. */
export interface RawDatabase {
  exec(sql: string): unknown
  prepare(sql: string): RawStatement
  close(): unknown
}

interface RawStatement {
  run(...values: (string | number)[]): { readonly changes: number | bigint }
  all(...values: (string | number)[]): unknown[]
}

/**
 * The least that a queue can be: one narrow table in one B-tree, one partial index in claim order, ids and JSON made beforehand, prepared
 * statements in a loop.
 */
const schema = `
  create table if not exists job (
    id text primary key,
    run_at integer not null,
    state integer not null default 0,
    payload text not null
  ) strict, without rowid;
  create index if not exists job_due on job (run_at, id) where state = 0;`

const insert = 'insert into job (id, run_at, payload) values (?, ?, ?)'

/** By the partial index. */
const claim = `
  update job set state = 1
  where id in (select id from job where state = 0 and run_at <= ? order by run_at, id limit ?)
  returning id, payload`

const remove = 'delete from job where id = ?'
const finish = 'update job set state = 2 where id = ?'

/** What every raw contender shares; only the driver differs. `settings` are statements that set the durability. */
export function rawContender(
  name: string,
  openDatabase: (file: string) => RawDatabase,
  settings: (durability: 'full' | 'relaxed' | 'default') => { readonly enqueue: string; readonly settle: string },
): Contender {
  return {
    name,
    raw: true,
    finished: ['removed', 'kept'],
    open: (file, durability, keep) => rawSession(openDatabase(file), settings(durability), keep),
    ...sqliteFile(openDatabase, 'job', 'state < 2'),
  }
}

function rawSession(
  database: RawDatabase,
  settings: { readonly enqueue: string; readonly settle: string },
  keep: boolean,
): Session {
  database.exec('pragma journal_mode = wal')
  database.exec(settings.enqueue)
  database.exec(schema)
  const add = database.prepare(insert)
  const take = database.prepare(claim)
  const end = database.prepare(keep ? finish : remove)
  const begin = database.prepare('begin immediate')
  const commit = database.prepare('commit')

  function addAll(jobs: readonly BenchJob[], size: number): void {
    for (const batch of batches(jobs, size)) {
      begin.run()
      for (const job of batch) add.run(job.id, Date.now(), job.text)
      commit.run()
    }
  }

  function takeSome(limit: number): readonly string[] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the columns are those of the statement above
    return take.all(Date.now(), limit).map((row) => (row as { id: string }).id)
  }

  function endAll(ids: readonly string[]): void {
    for (const id of ids) if (Number(end.run(id).changes) !== 1) throw new Error(`${id} was settled twice`)
  }

  return {
    oneByOne: (jobs) => {
      for (const job of jobs) add.run(job.id, Date.now(), job.text)
    },
    concurrent: addAll,
    bulk: addAll,
    fill: (jobs) => addAll(jobs, 1_000),
    /** Claim and settlement of `concurrency` jobs in one transaction. */
    drain: (total, concurrency) => {
      database.exec(settings.settle)
      let taken = 0
      while (taken < total) {
        begin.run()
        const ids = takeSome(concurrency)
        endAll(ids)
        commit.run()
        if (ids.length === 0) throw new Error(`${total - taken} of ${total} jobs are gone`)
        taken += ids.length
      }
    },
    claim: (limit) => {
      database.exec(settings.settle)
      begin.run()
      const ids = takeSome(limit)
      commit.run()
      return () => {
        begin.run()
        endAll(ids)
        commit.run()
        database.exec(settings.enqueue)
      }
    },
    close: () => {
      database.close()
    },
  }
}
