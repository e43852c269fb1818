import type { Finding } from '../../../store.ts'
import type { Ask } from './ask.ts'

/** A transaction that is older than so many seconds, or than so many others, keeps vacuum from what has died since. */
const longSeconds = 60
const longTransactions = 100_000

/**
 * What keeps dead rows from being removed: transactions in this database, prepared ones and replication slots. Of the sessions of others, a
 * role without pg_read_all_stats sees how many transactions have begun since, but not how long ago.
 */
export async function transactions(ask: Ask): Promise<Finding> {
  const rows = await ask(holders)
  const long = rows.filter(
    ([, , seconds, behind]) => Number(seconds) > longSeconds || Number(behind) > longTransactions,
  )
  if (long.length === 0) return { name: 'transactions', level: 'ok', message: 'none is long' }
  const all = long.map(
    ([kind = '', who = '', seconds = '', behind = '']) =>
      `${kind} ${who} (${seconds === '' ? '' : `${seconds} s, `}${behind} transactions ago)`,
  )
  return {
    name: 'transactions',
    level: 'warn',
    message: `${all.join(', ')}: what has died since cannot be removed, and claims get slower. End it`,
  }
}

const holders = `
  select h.kind, h.who, h.seconds::bigint::text as seconds, h.behind::text as behind
  from (
    select case when a.backend_type = 'walsender' then 'standby' else 'session' end as kind,
      concat_ws(' ', a.pid, a.application_name) as who, extract(epoch from clock_timestamp() - a.xact_start) as seconds,
      greatest(age(a.backend_xmin), age(a.backend_xid)) as behind
    from pg_stat_activity a
    where a.pid <> pg_backend_pid() and coalesce(a.backend_xmin, a.backend_xid) is not null
      and (a.datname = current_database() and a.backend_type <> 'autovacuum worker' or a.backend_type = 'walsender')
    union all
    select 'prepared transaction', p.gid, extract(epoch from clock_timestamp() - p.prepared), age(p.transaction)
    from pg_prepared_xacts p where p.database = current_database()
    union all
    select 'replication slot', s.slot_name::text, null, age(s.xmin) from pg_replication_slots s where s.xmin is not null
  ) h
  order by h.behind desc
  limit 5`
