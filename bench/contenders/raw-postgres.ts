import type { Client } from 'pg'
import { type BenchJob, batches, type Contender, type Durability, type Session } from '../contender.ts'
import { connect, postgresSchema } from './postgres-schema.ts'

/**
 * The least that a queue can be on PostgreSQL, on one connection: one narrow table, one partial index in claim order, ids and JSON made
 * beforehand, named prepared statements, arrays in one statement.
 */
const schema = `
  create table if not exists job (
    id text primary key,
    run_at bigint not null,
    state smallint not null default 0,
    payload text not null
  );
  create index if not exists job_due on job (run_at, id) where state = 0`

const insert = `
  insert into job (id, run_at, payload)
  select id, $2, payload
  from unnest($1::text[], $3::text[]) as given (id, payload)`

/**
 * By the partial index, and then by where the rows are: they are locked, so they stay there. Of the five forms that were tried (joined to a
 * materialized CTE or `= any (array(…))`, by id or by `ctid`) this was the fastest in nearly every trial, by 15 to 100 %.
 */
const claim = `
  update job set state = 1
  where ctid = any (array(
    select ctid
    from job
    where state = 0 and run_at <= $1
    order by run_at, id
    limit $2
    for update skip locked
  ))
  returning id, payload`

/** The end of the last batch and the beginning of the next in one statement: one round trip and one commit for both. */
const removeAndClaim = `with ended as (delete from job where id = any ($3::text[])) ${claim}`
const finishAndClaim = `with ended as (update job set state = 2 where id = any ($3::text[])) ${claim}`

const remove = 'delete from job where id = any ($1::text[])'
const finish = 'update job set state = 2 where id = any ($1::text[])'

const raw: Contender = {
  name: 'raw',
  raw: true,
  finished: ['removed', 'kept'],
  open: async (place, durability, keep) => {
    const client = await connect(place)
    await client.query(schema)
    return rawSession(client, durability, keep)
  },
  ...postgresSchema('job', 'state < 2'),
}
export default raw

function rawSession(client: Client, durability: Durability, keep: boolean): Session {
  let wanted = 'on'
  /** At `default` it is set as our own default is: enqueues at on, claims and settlements at off. */
  async function commitFor(verb: 'enqueue' | 'settle'): Promise<void> {
    const setting = durability === 'relaxed' || (durability === 'default' && verb === 'settle') ? 'off' : 'on'
    if (setting === wanted) return
    await client.query(`set synchronous_commit = ${setting}`)
    wanted = setting
  }

  async function add(jobs: readonly BenchJob[]): Promise<void> {
    const values = [jobs.map(({ id }) => id), Date.now(), jobs.map(({ text }) => text)]
    await client.query({ name: 'insert', text: insert, values })
  }

  async function addAll(jobs: readonly BenchJob[], size: number): Promise<void> {
    await commitFor('enqueue')
    for (const batch of batches(jobs, size)) await add(batch)
  }

  async function exchange(ended: readonly string[], limit: number): Promise<readonly string[]> {
    const { rows } = await client.query<{ id: string }>({
      name: 'exchange',
      text: keep ? finishAndClaim : removeAndClaim,
      values: [Date.now(), limit, ended],
    })
    return rows.map(({ id }) => id)
  }

  async function end(ids: readonly string[]): Promise<void> {
    const { rowCount } = await client.query({ name: 'end', text: keep ? finish : remove, values: [ids] })
    if (rowCount !== ids.length) throw new Error(`${rowCount} of ${ids.length} jobs were settled`)
  }

  return {
    oneByOne: (jobs) => addAll(jobs, 1),
    concurrent: addAll,
    bulk: addAll,
    fill: (jobs) => addAll(jobs, 1_000),
    drain: async (total, concurrency) => {
      await commitFor('settle')
      let ids: readonly string[] = []
      for (let taken = 0; taken < total; taken += ids.length) {
        ids = await exchange(ids, concurrency)
        if (ids.length === 0) throw new Error(`${total - taken} of ${total} jobs are gone`)
      }
      await end(ids)
    },
    claim: async (limit) => {
      await commitFor('settle')
      const { rows } = await client.query<{ id: string }>({
        name: 'claim',
        text: claim,
        values: [Date.now(), limit],
      })
      if (rows.length !== limit) throw new Error(`${rows.length} jobs were claimed, not ${limit}`)
      return () => end(rows.map(({ id }) => id))
    },
    close: () => client.end(),
  }
}
