import type { Finding } from '../../../store.ts'
import type { PostgresSettings } from '../options.ts'
import { type Row, toText } from '../row.ts'
import type { Ask } from './ask.ts'
import { rights } from './rights.ts'
import { server } from './server.ts'
import { tables } from './tables.ts'
import { transactions } from './transactions.ts'

/** What is in force on this server and in this database. Reads catalogs and statistics, and of our tables only `meta`. */
export async function report(
  run: (text: string) => Promise<readonly Row[]>,
  settings: PostgresSettings,
): Promise<readonly Finding[]> {
  const ask: Ask = async (text) =>
    (await run(text)).map((row) => row.map((value) => (value === null ? '' : toText(value))))
  const ofServer = await server(ask, settings)
  const ofRole = await rights(ask, settings)
  const ofTables = ofRole.reads ? await tables(ask, settings) : []
  return [...ofServer, ...ofRole.findings, ...ofTables, await transactions(ask)]
}
