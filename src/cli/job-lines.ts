import type { State } from '../core/job.ts'
import type { JobInfo } from '../info.ts'
import { fields, named, plain, table } from './table.ts'
import type { Paint, Style } from './terminal.ts'
import { exact, relative } from './time.ts'

const styles: Readonly<Record<State, Style>> = {
  pending: 'yellow',
  running: 'cyan',
  completed: 'green',
  failed: 'red',
  cancelled: 'dim',
}

/** A row for each job. */
export function jobTable(jobs: readonly JobInfo[], now: number, paint: Paint, width?: number): string {
  const rows = jobs.map((job) => [
    job.id,
    paint(styles[job.state], job.state),
    named(job.task),
    named(job.queue),
    `${job.attempt}/${most(job, '∞')}`,
    when(job, now),
    plain(job.failures.at(-1)?.message ?? ''),
  ])
  return table(['ID', 'STATE', 'TASK', 'QUEUE', 'ATTEMPT', 'WHEN', 'LAST FAILURE'], rows, width)
}

/** All that is known of a job, with exact times. */
export function jobSheet(job: JobInfo, now: number, paint: Paint): string {
  const at = (instant: number | undefined): string | undefined =>
    instant === undefined ? undefined : `${exact(instant)} (${relative(instant, now)})`
  return fields([
    ['id', job.id],
    ['task', plain(job.task)],
    ['queue', named(job.queue)],
    ['state', paint(styles[job.state], job.state)],
    ['attempt', `${job.attempt} of ${most(job, 'any number')}`],
    ['priority', String(job.priority)],
    ['created', at(known(job.createdAt))],
    ['due', at(known(job.runAt))],
    ['started', at(job.startedAt)],
    ['finished', at(job.finishedAt)],
    ['lease until', at(job.leaseUntil)],
    ['forgotten', at(job.forgetAt)],
    ['unique key', job.unique && `${plain(job.unique.key)} (${hold(job.unique)})`],
    ['concurrency key', job.concurrencyKey && plain(job.concurrencyKey)],
    ['parent', job.parent],
    ['cancel', job.cancel && plain(job.cancel)],
    ['payload', job.payloadKept ? valueText(job.payload) : paint('dim', 'dropped by retention')],
    ['result', valueText(job.result)],
    ['failures', job.failures.length === 0 ? undefined : job.failures.map((one) => failureText(one, now)).join('\n')],
  ])
}

/** How many attempts there are; a guest's format may have no end of them. */
function most({ maxAttempts }: JobInfo, endless: string): string {
  return maxAttempts === Number.MAX_SAFE_INTEGER ? endless : String(maxAttempts)
}

/** A guest's format may keep no times: they are 0 then. */
function known(instant: number): number | undefined {
  return instant === 0 ? undefined : instant
}

function when(job: JobInfo, now: number): string {
  switch (job.state) {
    case 'pending':
      if (known(job.runAt) === undefined) return 'waits'
      return job.runAt > now ? `due ${relative(job.runAt, now)}` : `waits, due ${relative(job.runAt, now)}`
    case 'running':
      return `since ${relative(job.startedAt ?? now, now)}`
    case 'completed':
    case 'failed':
    case 'cancelled':
      return relative(job.finishedAt ?? now, now)
  }
}

function hold({ held, until }: NonNullable<JobInfo['unique']>): string {
  if (!held) return 'not held any more'
  return typeof until === 'number' ? `held until ${exact(until)}` : `held until ${until}`
}

function valueText(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (value instanceof Uint8Array)
    return `${value.byteLength} bytes: ${Buffer.from(value.subarray(0, 32)).toString('hex')}`
  return plain(JSON.stringify(value, undefined, 2), 'lines')
}

function failureText(failure: JobInfo['failures'][number], now: number): string {
  const head = `attempt ${failure.attempt}, ${exact(failure.at)} (${relative(failure.at, now)})`
  return `${head}\n  ${plain(failure.stack ?? `${failure.name}: ${failure.message}`, 'lines').replaceAll('\n', '\n  ')}`
}
