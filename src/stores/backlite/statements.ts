import { finishedColumns, waitingColumns, whole } from './row.ts'

/** What nobody has: the parameter is the time before which a claim is over. */
const free = '(claimed_at is null or claimed_at < ?)'

/** Only those of some queues, given as a JSON list. */
const ofQueues = 'and queue in (select value from json_each(?))'

/** Takes rows of some queues alone, or of all. */
type OfSome = (some: boolean) => string

interface Statements {
  readonly insert: string
  readonly dueAtOnce: OfSome
  readonly dueLater: OfSome
  readonly nextDue: OfSome
  readonly oldestClaim: OfSome
  readonly claim: string
  readonly renew: string
  readonly release: string
  readonly wait: string
  readonly finish: string
  readonly remove: string
  readonly again: string
  readonly removeFinished: string
  readonly prune: string
  readonly waiting: string
  readonly finished: string
  readonly stats: string
}

/** The statements; the parameters stand in the order of the question marks. */
export const statements: Statements = {
  /** id, created_at, queue, task, wait_until: the others have their defaults, as where backlite inserts. */
  insert: 'insert into backlite_tasks (id, created_at, queue, task, wait_until) values (?, ?, ?, ?, ?)',

  /**
   * The first tasks that are to run at once: release, [queues,] limit. In the order of ids, by the index of the primary key: it goes past
   * what waits for later.
   */
  dueAtOnce: (some) => `
    select ${waitingColumns} from backlite_tasks
    where wait_until is null and ${free} ${some ? ofQueues : ''}
    order by id limit ?`,

  /** The first of those that were put off and are due: now, release, [queues,] limit. Index backlite_tasks_wait_until. */
  dueLater: (some) => `
    select ${waitingColumns} from backlite_tasks
    where wait_until is not null and wait_until <= ? and ${free} ${some ? ofQueues : ''}
    order by wait_until, id limit ?`,

  /** When the next task falls due: now, [queues]. Index backlite_tasks_wait_until. */
  nextDue: (some) => `
    select ${whole('wait_until')} from backlite_tasks
    where wait_until is not null and wait_until > ? and claimed_at is null ${some ? ofQueues : ''}
    order by wait_until limit 1`,

  /** The oldest claim of others: the ids of our own, [queues]. */
  oldestClaim: (some) => `
    select ${whole('min(claimed_at)')} from backlite_tasks
    where claimed_at is not null and id not in (select value from json_each(?)) ${some ? ofQueues : ''}`,

  /** now, id */
  claim: 'update backlite_tasks set claimed_at = ?, attempts = attempts + 1 where id = ?',

  /** now, id, the claim that is to be renewed */
  renew: 'update backlite_tasks set claimed_at = ? where id = ? and claimed_at = ? and attempts = ?',

  /** id, the claim that is given back */
  release:
    'update backlite_tasks set claimed_at = null, attempts = attempts - 1 where id = ? and claimed_at = ? and attempts = ?',

  /** attempts, whether wait_until is given, wait_until, last_executed_at or null, task or null, id */
  wait: `
    update backlite_tasks set claimed_at = null, attempts = ?, wait_until = iif(?, ?, wait_until),
      last_executed_at = coalesce(?, last_executed_at), task = coalesce(?, task)
    where id = ?`,

  /** last_executed_at, attempts, last_duration_micro, succeeded, whether to keep the task, expires_at, error, id */
  finish: `
    insert into backlite_tasks_completed
      (id, created_at, queue, last_executed_at, attempts, last_duration_micro, succeeded, task, expires_at, error)
    select id, created_at, queue, ?, ?, ?, ?, iif(?, task, null), ?, ? from backlite_tasks where id = ?`,

  remove: 'delete from backlite_tasks where id = ?',

  /** A finished task waits again: attempts, wait_until, id. */
  again: `
    insert into backlite_tasks (id, created_at, queue, task, wait_until, last_executed_at, attempts)
    select id, created_at, queue, task, ?, last_executed_at, ? from backlite_tasks_completed where id = ? and task is not null`,

  removeFinished: 'delete from backlite_tasks_completed where id = ?',

  /** now, limit */
  prune: `
    delete from backlite_tasks_completed where id in (
      select id from backlite_tasks_completed where expires_at is not null and expires_at <= ? order by expires_at limit ?
    )`,

  waiting: `select ${waitingColumns} from backlite_tasks where id = ?`,
  finished: `select ${finishedColumns} from backlite_tasks_completed where id = ?`,

  /** queue, state, count, the earliest due time of those that wait */
  stats: `
    select queue, iif(claimed_at is null, 'pending', 'running') as state, count(*),
      ${whole('min(coalesce(wait_until, created_at)) filter (where claimed_at is null)')}
    from backlite_tasks group by 1, 2
    union all
    select queue, iif(error is null, 'completed', 'failed'), count(*), null from backlite_tasks_completed group by 1, 2
    order by 1, 2`,
}
