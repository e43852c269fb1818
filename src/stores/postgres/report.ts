import type { Finding } from '../../store.ts'
import { schemaVersion } from './migrate.ts'
import type { PostgresSettings } from './options.ts'
import { type Row, toText } from './row.ts'

type Ask = (text: string) => Promise<readonly Row[]>

/** What is in force on this server and in this database. */
export async function report(ask: Ask, settings: PostgresSettings): Promise<readonly Finding[]> {
  const [row] = await ask('select version()')
  return [
    {
      name: 'server',
      level: 'ok',
      message: `${toText(row?.[0])}; schema ${settings.schema}, version ${schemaVersion}`,
    },
  ]
}
