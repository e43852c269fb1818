import { jobColumns } from './row.ts'

/** Every statement, named, with its index or its race. `prefix` is checked at construction; values are always parameters. */
export type Statements = ReturnType<typeof makeStatements>

export function makeStatements(prefix: string) {
  const job = `${prefix}job`
  const lane = `${prefix}lane`
  const queue = `${prefix}queue`
  const log = `${prefix}log`
  const worker = `${prefix}worker`
  const meta = `${prefix}meta`
  return {
    begin: 'begin immediate',
    beginLook: 'begin',
    commit: 'commit',
    rollback: 'rollback',
    savepoint: 'savepoint jobferry_batch',
    rollbackTo: 'rollback to jobferry_batch',
    release: 'release jobferry_batch',
    dataVersion: 'pragma data_version',
    /** Moved by what `control` rings for, so that others can tell it from all other commits. */
    moveControl: `insert into ${meta} (key, value) values ('control', 1) on conflict (key) do update set value = value + 1`,
    control: `select value from ${meta} where key = 'control'`,

    queues: `select id, name, paused, concurrency, priority from ${queue}`,
    lanes: `select id, queue, task, priority, pending, running, completed, failed, cancelled from ${lane}`,
    addQueue: `insert into ${queue} (name) values (?) returning id`,
    addLane: `insert into ${lane} (queue, task, priority) values (?, ?, ?) returning id`,
    setQueue: `update ${queue} set paused = ?, concurrency = ?, priority = ? where id = ?`,
    /** Adds differences, so that it is right whoever else has counted since. */
    count: `
      update ${lane}
      set pending = pending + ?, running = running + ?, completed = completed + ?, failed = failed + ?, cancelled = cancelled + ?
      where id = ?`,

    /** To be set in every transaction that adds or removes jobs: SQLite gives the highest number again once its job is removed. */
    setTally: `update ${lane} set pending = (select coalesce(max(seq), 0) from ${job}) where id = ?`,
    /** What was added since, each alone; a look at the end of the table. */
    behindTally: `select lane, count(*) from ${job} where seq > ? group by lane`,

    /** Several rows a statement: a third faster than a loop at 64, no slower at 1. */
    insertPlain: (rows: number) => `
      insert into ${job}
        (id, lane, queue, run_at, max_attempts, created_at, unique_key, unique_until, unique_held, concurrency_key, parent, policy, payload)
      values ${Array.from({ length: rows }, () => '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
    insertWhole: `
      insert into ${job}
        (lane, queue, state, run_at, attempt, max_attempts, rev, lease, lease_until, started_at, finished_at, forget_at,
         unique_key, unique_until, unique_held, concurrency_key, cancel, parent, failures, policy, result, payload, id, created_at)
      values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    /** By the unique index on held keys. */
    holder: `select ${jobColumns} from ${job} where queue = ? and unique_key = ? and unique_held = 1`,
    yieldKey: `update ${job} set unique_held = 0, rev = rev + 1 where seq = ?`,

    /** The ready index holds a lane's waiting jobs by time; `seq` is its tie-break, in the order they were added. */
    due: `
      select ${jobColumns} from ${job}
      where state = 0 and parked = 0 and lane = ? and run_at <= ?
      order by run_at, seq
      limit ?`,
    /** The same over several lanes of one rank: SQLite stops in each after the limit. */
    dueOfSeveral: `
      select ${jobColumns} from ${job}
      where state = 0 and parked = 0 and lane in (select value from json_each(?)) and run_at <= ?
      order by run_at, seq
      limit ?`,
    anyDue: `select 1 from ${job} where state = 0 and parked = 0 and lane = ? and run_at <= ? limit 1`,
    /** For a few, a loop is faster; from ten on, one statement. Runs in the transaction that has read the rows, hence no guard. */
    take: `
      update ${job}
      set state = 1, attempt = attempt + 1, rev = rev + 1, lease = ?, lease_until = ?, started_at = ?
      where seq = ?`,
    takeMany: `
      update ${job}
      set state = 1, attempt = attempt + 1, rev = rev + 1, lease = ?, lease_until = ?, started_at = ?
      where seq in (select value from json_each(?))`,
    letKeyGo: `update ${job} set unique_held = 0 where seq = ?`,
    nextDue: `
      select run_at from ${job}
      where state = 0 and parked = 0 and lane = ? and run_at > ?
      order by run_at
      limit 1`,

    busy: `select 1 from ${job} where queue = ? and concurrency_key = ? and state = 1 limit 1`,
    park: `update ${job} set parked = 1 where seq = ?`,
    parkMany: `update ${job} set parked = 1 where seq in (select value from json_each(?))`,
    parkedLane: `
      select lane from ${job}
      where parked = 1 and queue = ? and concurrency_key = ? and lane > ?
      order by lane
      limit 1`,
    /** The first of a key in a lane comes back into turn. */
    unpark: `
      update ${job} set parked = 0
      where seq = (
        select seq from ${job}
        where parked = 1 and queue = ? and concurrency_key = ? and lane = ?
        order by run_at, seq
        limit 1
      )`,

    /** `id` guards against a `seq` that SQLite has given to another job since; `rev` against whoever wrote in between. */
    remove: `delete from ${job} where seq = ? and id = ? and rev = ?`,
    /** The ends of many runs of one claim: its lease is in no other row, so it guards as well as the ids do. */
    removeMany: `delete from ${job} where seq in (select value from json_each(?)) and lease = ? and rev = ?`,
    removeById: `delete from ${job} where id = ? and rev = ?`,
    /** The hot end of a run that is kept: nothing but the end changes. */
    finish: `
      update ${job}
      set state = ?, rev = rev + 1, lease = null, lease_until = null, finished_at = ?, forget_at = ?, result = ?, cancel = ?
      where seq = ? and id = ? and rev = ?`,
    put: `
      update ${job}
      set lane = ?, queue = ?, state = ?, run_at = ?, attempt = ?, max_attempts = ?, rev = ?, lease = ?, lease_until = ?, started_at = ?,
        finished_at = ?, forget_at = ?, unique_key = ?, unique_until = ?, unique_held = ?, concurrency_key = ?, cancel = ?, parent = ?,
        failures = ?, policy = ?, result = ?, payload = ?, parked = 0
      where id = ? and rev = ?`,

    renew: `
      update ${job} set lease_until = ?, rev = rev + 1
      where id = ? and lease = ? and lease_until > ?
      returning rev, cancel`,
    expired: `select ${jobColumns} from ${job} where state = 1 and lease_until <= ? order by lease_until, id limit ?`,
    nextExpiry: `select min(lease_until) from ${job} where state = 1 and lease_until > ?`,

    prunable: `select seq, id, lane, state from ${job} where forget_at <= ? order by forget_at, seq limit ?`,
    prune: `delete from ${job} where seq in (select value from json_each(?))`,

    byId: `select ${jobColumns} from ${job} where id = ?`,
    /** The earliest waiting job of a lane, in turn or parked. */
    firstWaiting: `
      select min(run_at) from (
        select min(run_at) as run_at from ${job} where state = 0 and parked = 0 and lane = ?
        union all
        select min(run_at) from ${job} where parked = 1 and lane = ?
      )`,

    addLog: `
      insert into ${log} (job, attempt, at, level, message, data)
      select ?, ?, ?, ?, ?, ?
      where exists (select 1 from ${job} where id = ?)`,
    logs: `select seq, job, attempt, at, level, message, data from ${log} where job = ? and seq > ? order by seq limit ?`,
    anyLog: `select 1 from ${log} limit 1`,
    present: `
      insert into ${worker} (id, told_at, present_until, presence) values (?, ?, ?, ?)
      on conflict (id) do update set told_at = excluded.told_at, present_until = excluded.present_until, presence = excluded.presence`,
    /** No index: there are as many rows as workers. */
    removeGone: `delete from ${worker} where present_until <= ?`,
    workers: `select told_at, present_until, presence from ${worker} where present_until > ? order by id`,
    removeLogs: `delete from ${log} where job in (select value from json_each(?))`,
  }
}
