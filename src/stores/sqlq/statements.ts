import { at, dueAt, forgetAt, jobColumns, leaseEnd, ms, msUp, stateOf, us } from './row.ts'

/**
 * The statements on sqlq's tables. Parameters are text and cast further, so that they can stand in a caller's transaction of any driver; ids are
 * uuids and stay text. sqlq's own functions do the same for one job at a time, by the server's clock: see docs/decisions/022.
 */

/** Adds jobs in order, and their queues where there are none. $1 to $10 columns, by job; $11 keepalive in milliseconds. */
export const insert: string = `
  with k as materialized (
    select * from unnest($1::text::text[], $2::text::text[], $3::text::integer[], $4::text::text[], $5::text::integer[],
      $6::text::integer[], $7::text::bigint[], $8::text::bigint[], $9::text::bigint[], $10::text::bigint[])
      with ordinality as k (queue, typename, priority, parameters, max_retries, attempt, queued_at, after_ms, created_us, ttl_ms, ord)
  ), lane as (
    insert into sqlq.queues (name)
    select distinct k.queue from k where not exists (select from sqlq.queues q where q.name = k.queue) order by 1
    on conflict (name) do nothing
  )
  insert into sqlq.jobs
    (queue, typename, priority, parameters, max_retries, attempt, last_queued_at, created_at, keepalive_interval, run_after, retention_ttl)
  select k.queue, k.typename, k.priority, k.parameters::jsonb, k.max_retries, k.attempt, ${at('k.queued_at')},
    ${at('k.created_us', 'microsecond')}, $11::text::bigint * 1000000, k.after_ms * 1000000, k.ttl_ms * 1000000
  from k order by k.ord
  returning id::text as c0`

/**
 * The queues, and how many more jobs of each may run, where that is limited. A job that was asked to stop still runs, for as long as its lease
 * lasts.
 */
const lanes = `
  with busy as (
    select j.queue, count(*) as running
    from sqlq.jobs j
    where (j.status = 'running' or (j.status = 'cancelling' and j.attempt > 0 and ${leaseEnd} > ${at('$3::text')}))
      and j.queue in (select q.name from sqlq.queues q where q.concurrency is not null)
    group by j.queue
  ), lane as materialized (
    select q.name, q.priority, q.concurrency - coalesce(busy.running, 0) as room
    from sqlq.queues q left join busy on busy.queue = q.name
    where ($1::text is null or q.name = any ($1::text::text[])) and (q.concurrency is null or q.concurrency > coalesce(busy.running, 0))
  )`

/**
 * The first due jobs of each queue with room and of each task: among them are those to take, in order. To be run in a SERIALIZABLE transaction,
 * as sqlq's own dequeue is: only that keeps two of them from filling the same room. $1 queues or null, $2 the most to take, $3 now; where tasks are
 * named $4 those, and $5 the most of each. Without an index of your own it reads all that wait: see docs/guests/sqlq.md.
 */
export function candidates(tasks: 'named' | 'any'): string {
  const named = tasks === 'named'
  return `${lanes}
  select j.id::text as c0, j.queue as c1, j.typename as c2, j.keepalive_interval::text as c3, lane.room::text as c4
  from lane
  ${named ? 'cross join unnest($4::text::text[], $5::text::integer[]) as task (name, most)' : ''}
  cross join lateral (
    select j.* from sqlq.jobs j
    where j.queue = lane.name and j.status = 'pending' and ${dueAt} <= ${at('$3::text')}
      ${named ? 'and j.typename = task.name' : ''}
    order by j.priority, j.created_at, j.id
    limit least($2::text::bigint, lane.room${named ? ', task.most' : ''})
  ) j
  order by lane.priority, j.priority, j.created_at, j.id`
}

/**
 * Begins runs of jobs that wait. In the same transaction. The row's own keepalive is not cut short: it may have to last for a Go worker, should
 * this one die. $1 ids, $2 now, $3 the lease in milliseconds.
 */
export const begin: string = `
  update sqlq.jobs j set
    status = 'running',
    started_at = ${at('$2::text')},
    last_keepalive = ${at('$2::text')},
    attempt = coalesce(j.attempt, 0) + 1,
    keepalive_interval = greatest(j.keepalive_interval, $3::text::bigint * 1000000)
  where j.id = any ($1::text::uuid[]) and j.status = 'pending'
  returning ${jobColumns}`

/** When the next job falls due. By way of the queues, so that the index (queue, typename, status) can serve. $1 queues or null, $2 tasks or null, $3 now. */
export const next: string = `
  select (${msUp(`min(${dueAt})`)})::text as c0
  from sqlq.queues q join sqlq.jobs j on j.queue = q.name
  where j.status = 'pending' and ${dueAt} > ${at('$3::text')}
    and ($1::text is null or j.queue = any ($1::text::text[]))
    and ($2::text is null or j.typename = any ($2::text::text[]))`

/**
 * Changes, ends and removes jobs, and notes failures in their logs, all in one. A row must be as it was: with our run still in it ($3, $4), or of
 * the version that was seen ($5), and in the same state ($2); asked to stop only if $6 says so. Rows are locked in the order of their ids. `skip`
 * passes over rows that a transaction has locked, which may take long. $1 ids, $2 states, $7 removals, $8 to $20 columns, $21 to $23 notes.
 */
export function settle(locked: 'wait' | 'skip'): string {
  return `
  with k as materialized (
    select * from unnest($1::text::uuid[], $2::text::text[], $3::text::integer[], $4::text::bigint[], $5::text::text[], $6::text::boolean[],
      $7::text::text[], $8::text::text[], $9::text::integer[], $10::text::integer[], $11::text::integer[], $12::text::text[],
      $13::text::text[], $14::text::bigint[], $15::text::bigint[], $16::text::bigint[], $17::text::text[], $18::text::text[],
      $19::text::bigint[], $20::text::bigint[], $21::text::text[], $22::text::text[], $23::text::bigint[])
      as k (id, state, run_attempt, run_started, version, asked, removal, status, priority, attempt, max_retries, has_parameters, parameters,
        queued_at, after_ms, completed_at, has_result, result, ttl_ms, keepalive, level, message, noted_at)
  ), turn as materialized (
    select k.*, j.queue
    from k join sqlq.jobs j on j.id = k.id
    where ${stateOf} = k.state and (k.asked or j.status <> 'cancelling')
      and (k.version is null or j.xmin::text = k.version)
      and (k.run_started is null or (j.attempt = k.run_attempt and j.started_at = ${at('k.run_started', 'microsecond')}))
    order by j.id
    for no key update of j${locked === 'skip' ? ' skip locked' : ''}
  ), gone as (
    delete from sqlq.jobs j using turn where j.id = turn.id and turn.removal is not null returning j.id, j.queue
  ), done as (
    update sqlq.jobs j set
      status = coalesce(turn.status::sqlq.job_states, j.status),
      priority = coalesce(turn.priority, j.priority),
      attempt = coalesce(turn.attempt, j.attempt),
      max_retries = coalesce(turn.max_retries, j.max_retries),
      parameters = case when turn.has_parameters is null then j.parameters else turn.parameters::jsonb end,
      last_queued_at = coalesce(${at('turn.queued_at')}, j.last_queued_at),
      run_after = coalesce(turn.after_ms * 1000000, j.run_after),
      completed_at = case when turn.status is null then j.completed_at else ${at('turn.completed_at')} end,
      result = case when turn.has_result is null then j.result else turn.result::jsonb end,
      retention_ttl = coalesce(turn.ttl_ms * 1000000, j.retention_ttl),
      keepalive_interval = coalesce(turn.keepalive, j.keepalive_interval)
    from turn
    where j.id = turn.id and turn.removal is null
    returning j.id, j.queue
  ), noted as (
    insert into sqlq.job_logs (job, logged_at, level, message)
    select turn.id, ${at('turn.noted_at')}, turn.level::sqlq.log_level, turn.message
    from turn where turn.message is not null
  )
  select c.id::text as c0, (q.concurrency is not null)::text as c1
  from (select * from gone union all select * from done) c join sqlq.queues q on q.name = c.queue`
}

/**
 * Our runs go on. $1 ids, $2 attempts, $3 beginnings, $4 the rows' own keepalives, $5 now, $6 the lease in milliseconds. Rows are locked in the
 * order of their ids.
 */
export const renew: string = `
  with turn as (
    select j.id, k.keepalive
    from unnest($1::text::uuid[], $2::text::integer[], $3::text::bigint[], $4::text::bigint[]) as k (id, attempt, started, keepalive)
    join sqlq.jobs j on j.id = k.id
    where j.status in ('running', 'cancelling') and j.attempt = k.attempt and j.started_at = ${at('k.started', 'microsecond')}
      and ${leaseEnd} > ${at('$5::text')}
    order by j.id
    for no key update of j
  )
  update sqlq.jobs j set
    last_keepalive = ${at('$5::text')},
    keepalive_interval = greatest(turn.keepalive, $6::text::bigint * 1000000)
  from turn where j.id = turn.id
  returning j.id::text as c0, (j.status = 'cancelling')::text as c1`

/** $1 now, $2 the most. The earliest that is not yet over comes last. */
export const expired: string = `
  (
    select ${jobColumns} from sqlq.jobs j
    where j.status in ('running', 'cancelling') and j.attempt > 0 and ${leaseEnd} <= ${at('$1::text')}
    order by ${leaseEnd} limit $2::text::bigint
  )
  union all
  (
    select ${jobColumns} from sqlq.jobs j
    where j.status in ('running', 'cancelling') and j.attempt > 0 and ${leaseEnd} > ${at('$1::text')}
    order by ${leaseEnd} limit 1
  )`

/** With their logs, which the key of these cascades to. $1 now, $2 the most. */
export const prune: string = `
  delete from sqlq.jobs j using (
    select j.id from sqlq.jobs j
    where j.status in ('success', 'errored', 'cancelled') and ${forgetAt} <= ${at('$1::text')}
    order by ${forgetAt} limit $2::text::bigint
    for update skip locked
  ) due
  where j.id = due.id
  returning j.id::text as c0`

/** $1 ids. */
export const get: string = `select ${jobColumns} from sqlq.jobs j where j.id = any ($1::text::uuid[])`

/** Where a page goes on: the place of a job in the order. $1 id. */
export const place: string = `select (${us('j.created_at')})::text as c0 from sqlq.jobs j where j.id = $1::text::uuid`

export const stats: string = `
  select q.name as c0, q.concurrency::text as c1, q.priority::text as c2, c.typename as c3, c.state as c4, c.count::text as c5, c.due::text as c6
  from sqlq.queues q left join (
    select j.queue, j.typename, ${stateOf} as state, count(*) as count, ${msUp(`min(${dueAt}) filter (where j.status = 'pending')`)} as due
    from sqlq.jobs j group by 1, 2, 3
  ) c on c.queue = q.name
  order by q.name, c.typename, c.state`

/** $1 queue, $2 concurrency if $3 says so, $4 priority or null. */
export const configure: string = `
  insert into sqlq.queues (name, concurrency, priority) values ($1::text, $2::text::integer, coalesce($4::text::integer, 1))
  on conflict (name) do update set
    concurrency = case when $3::text = 'set' then excluded.concurrency else queues.concurrency end,
    priority = coalesce($4::text::integer, queues.priority)`

/** Lines of jobs that are gone are dropped; those that are there cannot go meanwhile. $1 ids, $2 times, $3 levels, $4 messages. */
export const log: string = `
  with k as materialized (
    select * from unnest($1::text::uuid[], $2::text::bigint[], $3::text::text[], $4::text::text[]) with ordinality as k (id, logged_at, level, message, ord)
  ), there as materialized (
    select j.id from sqlq.jobs j where j.id in (select k.id from k) order by j.id for key share
  )
  insert into sqlq.job_logs (job, logged_at, level, message)
  select k.id, ${at('k.logged_at')}, k.level::sqlq.log_level, k.message
  from k join there on there.id = k.id order by k.ord`

/** $1 id, $2 after so many lines, $3 the most. What a line belongs to can be told of the last run alone. */
export const logs: string = `
  select row_number() over (order by l.logged_at, l.position)::text as c0, (${ms('l.logged_at')})::text as c1, l.level::text as c2,
    l.message as c3, case when l.logged_at >= j.started_at then j.attempt else 0 end::text as c4
  from sqlq.job_logs l join sqlq.jobs j on j.id = l.job
  where l.job = $1::text::uuid
  order by l.logged_at, l.position
  offset $2::text::bigint limit $3::text::bigint`
