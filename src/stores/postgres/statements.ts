import type { Statement } from '../pg/link.ts'
import { jobColumns, jobTables } from './row.ts'

export type StatementName =
  | 'add'
  | 'insertBatches'
  | 'exchange'
  | 'renew'
  | 'prune'
  | 'sumUp'
  | 'log'
  | 'logAgain'
  | 'get'
  | 'expired'
  | 'leased'
  | 'regain'
  | 'nextExpiry'
  | 'logs'
  | 'configure'
  | 'queues'
  | 'present'
  | 'removeGone'
  | 'workers'
  | 'insertInTx'
  | 'applyInTx'
  | 'time'

/** Every statement, by its name, for the tables of one schema. */
export type Statements = (name: StatementName) => Statement

export function makeStatements(schema: string): Statements {
  const made = new Map<StatementName, Statement>()
  return (name) => {
    const known = made.get(name)
    if (known !== undefined) return known
    const statement = { name: `${schema}.${name}`, text: inSchema(texts[name], schema) }
    made.set(name, statement)
    return statement
  }
}

/** Puts the schema, and the channel of its bells, where a text has `@`. The name was checked: it needs no escapes but its quotes. */
export function inSchema(text: string, schema: string): string {
  return text.replaceAll('@channel', channelOf(schema)).replaceAll('@.', `"${schema}".`)
}

/** Notifications are the database's, not the schema's: each installation has a channel of its own. */
export function channelOf(schema: string): string {
  return `jobferry_${schema}`
}

/** Lets the commit of the statement it stands in not wait for the disk. */
const relaxedIf = (condition: string): string =>
  `case when ${condition}::boolean then set_config('synchronous_commit', 'off', true) end`

/** `@` is the quoted schema. What takes more than one statement is a function in the schema: see functions/. */
const texts: Readonly<Record<StatementName, string>> = {
  add: `select @.add($1::text[], $2::integer[], $3::integer[], $4::bigint[], $5::integer[], $6::bigint[], $7::text[], $8::text[],
    $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::integer[], $15::integer[], $16::text, $17::text), ${relaxedIf('$18')}`,
  insertBatches: `
    select to_json(b.answers)::text, case when $4::text is not null then pg_notify($3::text, $4::text)::text end, ${relaxedIf('$5')}
    from @.insert_batches($1::json, $2::bigint) b`,
  exchange: `
    select * from @.exchange($1::text[], $2::integer[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::smallint[], $8::bigint[],
      $9::bigint[], $10::text[], $11::text[], $12::json, $13::boolean, $14::text, $15::text, $16::boolean, $17::text, $18::text[],
      $19::integer[], $20::text[], $21::integer, $22::text, $23::bigint, $24::bigint, $25::integer[], $26::bigint[])`,
  renew: 'select * from @.renew($1::text[], $2::text[], $3::bigint, $4::bigint, $5::boolean)',
  prune: 'select @.prune($1::bigint, $2::integer)',
  sumUp: 'select @.sum_up()',
  log: 'select @.log_lines($1::text[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::text[])',
  /** The same when it may have been done already: a line that is there, alike in everything, is not added again. */
  logAgain: `
    insert into @.log (job, attempt, at, level, message, data)
    select n.job, n.attempt, n.at, n.level, n.message, n.data
    from unnest($1::text[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::text[])
      with ordinality as n (job, attempt, at, level, message, data, place)
    where exists (select from @.job j where j.id = n.job) and not exists (
      select from @.log l
      where l.job = n.job and l.attempt = n.attempt and l.at = n.at and l.level = n.level and l.message = n.message
        and l.data is not distinct from n.data
    )
    order by n.place`,

  get: `select ${jobColumns} from ${jobTables} where j.id = any ($1::text::text[])`,
  /** By the index on running jobs, lane by lane. */
  expired: `
    select ${jobColumns}
    from @.lane n cross join lateral (
      select r.id from @.job r where r.state = 1 and r.lane = n.id and r.lease_until <= $1::bigint order by r.lease_until limit $2::integer
      for update skip locked
    ) e, ${jobTables}
    where j.id = e.id
    order by j.lease_until, j.id
    limit $2::integer`,
  /** What one claim has taken: its lease is in no other row. */
  leased: `
    select ${jobColumns}
    from @.lane n cross join lateral (
      select r.id from @.job r where r.state = 1 and r.lane = n.id and r.lease_until = $2::bigint and r.lease = $1::text
    ) e, ${jobTables}
    where j.id = e.id
    order by u.priority, l.priority, j.run_at, j.seq`,
  /** Puts what earlier claims have taken, whose answers were lost, under the lease of another. By the index on running jobs. */
  regain: `
    update @.job j set lease = $3::text, lease_until = $4::bigint, rev = j.rev + 1
    from (
      select r.id from unnest($1::text[], $2::bigint[]) as o (lease, until), @.lane n, @.job r
      where r.state = 1 and r.lane = n.id and r.lease_until = o.until and r.lease = o.lease and r.lease_until > $5::bigint
      limit $6::integer
      for update of r
    ) t
    where j.id = t.id
    returning j.id`,
  nextExpiry: `
    select min(e.lease_until)::text
    from @.lane n cross join lateral (
      select r.lease_until from @.job r where r.state = 1 and r.lane = n.id and r.lease_until > $1::bigint order by r.lease_until limit 1
    ) e`,
  /** `order by seq` would be by the text that the first column is. */
  logs: `
    select n.seq::text, n.job, n.attempt::text, n.at::text, n.level, n.message, n.data
    from @.log n where n.job = $1::text and n.seq > $2::bigint order by n.seq limit $3::integer`,

  configure: `
    insert into @.queue as u (name, paused, concurrency, priority, configured)
    values ($1::text, coalesce($2::boolean, false), $3::integer, coalesce($5::smallint, 0), true)
    on conflict (name) do update
    set paused = coalesce($2::boolean, u.paused), concurrency = case when $4::boolean then $3::integer else u.concurrency end,
      priority = coalesce($5::smallint, u.priority), configured = true
    returning case when $7::text is not null then pg_notify($6::text, $7::text)::text end,
      case when $8::text is not null then pg_notify($6::text, $8::text)::text end`,
  /** A lane's counts are what was summed up, and the lines of the tally since. Lanes that never had a job are left out. */
  queues: `
    select u.name, u.paused::integer::text, u.concurrency::text, u.priority::text, l.task, l.pending::text, l.running::text,
      l.completed::text, l.failed::text, l.cancelled::text, l.next_at::text
    from @.queue u left join (
      select n.queue, n.task, coalesce(n.pending, 0) + coalesce(t.pending, 0) as pending, coalesce(n.running, 0) + coalesce(t.running, 0) as running,
        coalesce(n.completed, 0) + coalesce(t.completed, 0) as completed, coalesce(n.failed, 0) + coalesce(t.failed, 0) as failed,
        coalesce(n.cancelled, 0) + coalesce(t.cancelled, 0) as cancelled,
        least(
          (select j.run_at from @.job j where j.state = 0 and not j.parked and j.lane = n.id order by j.run_at, j.seq limit 1),
          (select j.run_at from @.job j where j.parked and j.lane = n.id order by j.run_at limit 1)
        ) as next_at
      from @.lane n left join (
        select t.lane, sum(t.pending) as pending, sum(t.running) as running, sum(t.completed) as completed, sum(t.failed) as failed,
          sum(t.cancelled) as cancelled
        from @.tally t group by t.lane
      ) t on t.lane = n.id
      where n.pending is not null or t.lane is not null
    ) l on l.queue = u.id
    where u.configured or l.queue is not null`,
  present: `
    insert into @.worker (id, told_at, present_until, presence)
    values ($1::text, $2::bigint, $3::bigint, $4::text)
    on conflict (id) do update
    set told_at = excluded.told_at, present_until = excluded.present_until, presence = excluded.presence
    returning ${relaxedIf('true')}`,
  /** Never waits, and never for two at a time: workers that come back together would otherwise wait for each other. */
  removeGone: `
    delete from @.worker where id in (select w.id from @.worker w where w.present_until <= $1::bigint for update skip locked)`,
  workers: `select told_at::text, present_until::text, presence from @.worker where present_until > $1::bigint order by id`,
  insertInTx: 'select @.insert_in_tx($1::text, $2::text::json, $3::text::bigint, $4::text, $5::text)::text as answer',
  applyInTx: 'select @.apply_in_tx($1::text, $2::text::json, $3::text, $4::text, $5::text::boolean)::text as answer',
  time: `select floor(extract(epoch from clock_timestamp()) * 1000)::bigint::text`,
}
