import type { Finding } from '../../store.ts'
import type { Row } from '../pg/query.ts'
import { knownVersion } from './format.ts'
import { toText } from './row.ts'

/** From so many waiting jobs on, a dequeue that reads them all is felt. */
const many = 10_000

/** Which sqlq this is, and what of it needs somebody's attention. */
export async function report(ask: (text: string) => Promise<readonly Row[]>): Promise<readonly Finding[]> {
  const [server] = await ask('select version() as c0')
  const [counts] = await ask(`
    select count(*) filter (where j.status = 'pending')::text as c0,
      count(*) filter (where j.status = 'errored')::text as c1,
      count(*) filter (where j.status = 'cancelling' and coalesce(j.attempt, 0) = 0)::text as c2,
      count(*) filter (where j.attempt is null or j.max_retries is null or j.run_after is null)::text as c3
    from sqlq.jobs j`)
  const [index] = await ask(`
    select exists (
      select from pg_index i
      where i.indrelid = 'sqlq.jobs'::regclass and pg_get_expr(i.indpred, i.indrelid) like '%pending%'
    )::text as c0`)
  const [waiting = 0, errored = 0, stuck = 0, incomplete = 0] = (counts ?? []).map(Number)
  const findings: Finding[] = [
    { name: 'server', level: 'ok', message: toText(server?.[0]) },
    { name: 'sqlq', level: 'ok', message: `the schema sqlq, version ${knownVersion}` },
    { name: 'bells', level: 'ok', message: 'polling only: sqlq notifies nobody' },
  ]
  const warn = (name: string, message: string): void => void findings.push({ name, level: 'warn', message })
  if (errored > 0) warn('errored', `${errored} jobs have failed for good`)
  if (stuck > 0)
    warn('cancelling', `${stuck} jobs were asked to stop before they had run: nobody takes them; retry or delete them`)
  if (incomplete > 0)
    warn('nulls', `${incomplete} jobs have no attempt, max_retries or run_after: Go workers fail on them`)
  if (waiting > many && index?.[0] !== 'true')
    warn('index', `each claim reads ${waiting} waiting jobs: see docs/guests/sqlq.md for an index that helps`)
  return findings
}
