import type { Format } from './format.ts'
import { jobColumns, keyColumns, ms } from './row.ts'

/** The statements on one table. Parameters are text; ids, which are bigints, never become numbers of ours. */
export interface Statements {
  readonly lock: string
  readonly recheck: string
  readonly unlock: string
  readonly tryLock: string
  readonly tryLockInTx: string
  readonly next: string
  readonly queueNames: string
  readonly insert: string
  readonly remove: string
  readonly put: string
  readonly get: string
  readonly list: string
  readonly stats: string
}

/** Who holds the lock of `j`, by looking it up: for single jobs. The key's halves are two columns of pg_locks. */
const holder = `select l.pid from pg_locks l where l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and l.database = (select d.oid from pg_database d where d.datname = current_database())
    and l.classid::bigint = (@id >> 32) & 4294967295 and l.objid::bigint = @id & 4294967295 limit 1`

/** All locks that can be a job's, once: for many jobs. */
const holders = `held as materialized (
    select (l.classid::bigint << 32) | l.objid::bigint as id, min(l.pid) as pid
    from pg_locks l
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
    group by 1
  )`

/** An instant, in milliseconds or microseconds, as PostgreSQL has it. */
const at = (number: string, unit: 'millisecond' | 'microsecond'): string =>
  `to_timestamp(0) + ${number}::bigint * interval '1 ${unit}'`

export function makeStatements(format: Format): Statements {
  const { table, keeps, keywords, schemaVersion } = format
  const id = keeps ? 'id' : 'job_id'
  const live = [
    'true',
    ...(keeps ? ['j.finished_at is null and j.expired_at is null'] : []),
    ...(schemaVersion === undefined ? [] : [`j.job_schema_version = ${schemaVersion}`]),
  ].join(' and ')
  const due = (now: string): string => `j.run_at <= ${at(now, 'millisecond')} and j.run_at > '-infinity'`
  /** The queues asked for, or all that have jobs: by leaps over the index, whatever is in them. */
  const lanes = `name as (
      (select j.queue from ${table} j where $1::text[] is null and ${live} order by j.queue limit 1)
      union all
      select (select j.queue from ${table} j where j.queue > name.queue and ${live} order by j.queue limit 1)
      from name where name.queue is not null
    ), lane as (
      select unnest($1::text[]) as queue union select name.queue from name where name.queue is not null
    )`
  /** The first job of each queue that comes after something, and of these the first. */
  const first = (after: string): string => `
      select one.* from lane cross join lateral (
        select j.${id} as id, j.queue, j.priority, j.run_at
        from ${table} j
        where j.queue = lane.queue and ${live} and ${due('$4')}
          and not j.${id} = any ($2::bigint[]) and ($3::text[] is null or j.job_class = any ($3::text[])) ${after}
        order by j.priority, j.run_at, j.${id} limit 1
      ) one
      order by one.priority, one.run_at, one.id limit 1`
  /** The row of a key. In version 3 by both ends of a stretch of its index, which is one entry if the microsecond is known. */
  const same = keeps
    ? `j.id = k.id`
    : `j.queue = k.queue and j.priority = k.priority and j.job_id = k.id
      and (j.run_at, j.job_id) >= (${at('(k.run_at - k.within)', 'microsecond')}, k.id)
      and (j.run_at, j.job_id) <= (${at('k.run_at', 'microsecond')}, k.id)`
  const key = `
      unnest($1::bigint[], $2::text[], $3::smallint[], $4::bigint[], $5::bigint[], $6::integer[], $7::text[])
        with ordinality as k (id, queue, priority, run_at, within, errors, version, ord)`
  const unchanged = `(k.version is null or j.xmin::text = k.version)
      and (k.errors is null or j.error_count = k.errors${keeps ? ' and j.finished_at is null and j.expired_at is null' : ''})`
  return {
    /**
     * Locks the first due jobs that nobody holds, each row tried once and none twice: every step looks for the next row behind the last one,
     * and the lock is taken in a lateral subquery of its own, which is evaluated once for its row. $1 queues or null, $2 ids held already,
     * $3 classes or null, $4 now, $5 how many. Index (queue, priority, run_at, id).
     */
    lock: `
  with recursive ${lanes}, step as (
    select t.id, t.queue, t.priority, t.run_at, l.got, $5::integer - l.got::integer as wanted
    from (${first('')}) t
    cross join lateral (select pg_try_advisory_lock(t.id) as got) l
    union all (
      select n.id, n.queue, n.priority, n.run_at, l.got, n.wanted - l.got::integer
      from (
        select next.*, step.wanted from step cross join lateral (${first(
          `and (j.priority, j.run_at, j.${id}) > (step.priority, step.run_at, step.id)`,
        )}) next
        where step.wanted > 0
      ) n
      cross join lateral (select pg_try_advisory_lock(n.id) as got) l
    )
  )
  select ${keyColumns(format).replaceAll(`j.${id}`, 'j.id')} from step j where j.got order by j.priority, j.run_at, j.id`,

    /**
     * What has been locked, as it is now: the statement before may have seen a row whose worker had just ended it. $1 to $4 keys, $5 now.
     */
    recheck: `
  select ${jobColumns(format, 'null')}
  from unnest($1::bigint[], $2::text[], $3::smallint[], $4::bigint[]) with ordinality as k (id, queue, priority, run_at, ord)
  join ${table} j on ${keeps ? 'j.id = k.id' : `j.queue = k.queue and j.priority = k.priority and j.job_id = k.id and j.run_at = ${at('k.run_at', 'microsecond')}`}
  where ${live} and ${due('$5')}
  order by k.ord`,

    /** Each must say true. $1 ids. */
    unlock: `select k.id::text, pg_advisory_unlock(k.id)::text from unnest($1::bigint[]) k (id)`,

    /** $1 ids, none of which the session holds. */
    tryLock: `select k.id::text from unnest($1::bigint[]) k (id) cross join lateral (select pg_try_advisory_lock(k.id) as got) l where l.got`,

    /** The same for as long as a transaction lasts. */
    tryLockInTx: `select k.id::text as c0 from unnest($1::text::bigint[]) k (id) cross join lateral (select pg_try_advisory_xact_lock(k.id) as got) l where l.got`,

    /** When the next job falls due, by leaps over each priority of each queue. $1 queues or null, $2 classes or null, $3 now. */
    next: `
  with recursive ${lanes}, step as (
    select lane.queue, p.priority from lane
    cross join lateral (select j.priority from ${table} j where j.queue = lane.queue and ${live} order by j.priority limit 1) p
    union all
    select step.queue, p.priority from step
    cross join lateral (
      select j.priority from ${table} j where j.queue = step.queue and j.priority > step.priority and ${live} order by j.priority limit 1
    ) p
  )
  select (${ms('min(r.run_at)')})::text
  from step cross join lateral (
    select j.run_at from ${table} j
    where j.queue = step.queue and j.priority = step.priority and ${live} and j.run_at > ${at('$3', 'millisecond')}
      and ($2::text[] is null or j.job_class = any ($2::text[]))
    order by j.run_at limit 1
  ) r`,

    queueNames: `with recursive ${lanes} select queue from lane`,

    /** What is due at once gets the server's own time, or Que's trigger would not announce it. $1 to $6 columns, $7 now. */
    insert: `
  insert into ${table} (queue, priority, run_at, job_class, args${keywords ? ', kwargs' : ''}${schemaVersion === undefined ? '' : ', job_schema_version'})
  select k.queue, k.priority,
    case when k.run_at <= $7::text::bigint then least(${at('k.run_at', 'millisecond')}, now()) else ${at('k.run_at', 'millisecond')} end,
    k.job_class, k.args::${keeps ? 'jsonb' : 'json'}${keywords ? ', k.kwargs::jsonb' : ''}${schemaVersion === undefined ? '' : `, ${schemaVersion}`}
  from unnest($1::text::text[], $2::text::smallint[], $3::text::bigint[], $4::text::text[], $5::text::text[], $6::text::text[])
    with ordinality as k (queue, priority, run_at, job_class, args, kwargs, ord)
  order by k.ord
  returning ${id}::text as c0`,

    /** $1 to $7 keys. */
    remove: `delete from ${table} j using ${key.replaceAll(/\$(\d)::/g, '$$$1::text::')} where ${same} and ${unchanged} returning j.${id}::text as c0`,

    /**
     * $1 to $7 keys; what is null of $8 to $13 stays, but $14 and $15, the ends, are as given. An error comes with its backtrace, or without.
     */
    put: `
  update ${table} j set
    priority = coalesce(v.priority, j.priority),
    run_at = coalesce(${at('v.run_at', 'millisecond')}, j.run_at),
    error_count = coalesce(v.errors, j.error_count),
    args = coalesce(v.args::${keeps ? 'jsonb' : 'json'}, j.args)${keywords ? ',\n    kwargs = coalesce(v.kwargs::jsonb, j.kwargs)' : ''}${
      keeps
        ? `,
    last_error_message = coalesce(v.error, j.last_error_message),
    last_error_backtrace = case when v.error is null then j.last_error_backtrace else v.backtrace end,
    finished_at = ${at('v.finished_at', 'millisecond')},
    expired_at = ${at('v.expired_at', 'millisecond')}`
        : `,
    last_error = coalesce(v.error, j.last_error)`
    }
  from ${key.replaceAll(/\$(\d)::/g, '$$$1::text::')}
  join unnest($8::text::smallint[], $9::text::bigint[], $10::text::integer[], $11::text::text[], $12::text::text[], $13::text::text[],
      $14::text::text[], $15::text::bigint[], $16::text::bigint[])
    with ordinality as v (priority, run_at, errors, args, kwargs, error, backtrace, finished_at, expired_at, ord) on v.ord = k.ord
  where ${same} and ${unchanged}
  returning j.${id}::text as c0`,

    /** $1 ids. In version 3 without an index. */
    get: `select ${jobColumns(format, holder.replaceAll('@id', `j.${id}`))} from ${table} j where j.${id} = any ($1::text::bigint[])`,

    /** To be followed by conditions on `j` and `s`, and by an order. */
    list: `
  with ${holders}
  select ${jobColumns(format, 'held.pid')}
  from ${table} j left join held on held.id = j.${id}
  cross join lateral (select ${stateOf(keeps)} as state) s`,

    stats: `
  with ${holders}
  select j.queue, j.job_class, s.state, count(*)::text, (${ms("min(j.run_at) filter (where s.state = 'pending')")})::text
  from ${table} j left join held on held.id = j.${id}
  cross join lateral (select ${stateOf(keeps)} as state) s
  group by 1, 2, 3 order by 1, 2, 3`,
  }
}

function stateOf(keeps: boolean): string {
  const ends = keeps
    ? `when j.finished_at is not null then 'completed' when j.expired_at is not null then 'failed' `
    : ''
  return `case ${ends}when held.pid is not null then 'running' else 'pending' end`
}
