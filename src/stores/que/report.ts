import type { Finding } from '../../store.ts'
import type { Row } from '../pg/query.ts'
import type { Format } from './format.ts'
import { toText } from './row.ts'

type Ask = (text: string) => Promise<readonly Row[]>

/** Which Que this is, and what of it needs somebody's attention. */
export async function report(ask: Ask, format: Format, listens: boolean): Promise<readonly Finding[]> {
  const { table, version, keeps, schemaVersion } = format
  const [server] = await ask('select version()')
  const findings: Finding[] = [
    { name: 'server', level: 'ok', message: toText(server?.[0]) },
    {
      name: 'que',
      level: 'ok',
      message: `${table}, version ${version}${schemaVersion === undefined ? '' : `; our jobs have job_schema_version ${schemaVersion}`}`,
    },
    { name: 'bells', level: 'ok', message: listens ? 'told of new jobs, as a locker of Que' : 'polling only' },
  ]
  if (keeps) {
    const [row] = await ask(`select count(*)::text from ${table} where expired_at is not null`)
    const expired = Number(row?.[0])
    if (expired > 0) findings.push({ name: 'expired', level: 'warn', message: `${expired} jobs have failed for good` })
  }
  if (schemaVersion !== undefined) {
    const [row] = await ask(
      `select count(*)::text from ${table} where job_schema_version is distinct from ${schemaVersion} and finished_at is null and expired_at is null`,
    )
    const others = Number(row?.[0])
    if (others > 0)
      findings.push({
        name: 'schema-version',
        level: 'warn',
        message: `${others} jobs have another job_schema_version than ${schemaVersion}: no worker of ours takes them`,
      })
  }
  return findings
}
