import { statSync } from 'node:fs'

import type { Finding } from '../../store.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import { currentVersion, schemaVersion } from './migrate.ts'
import { diskFinding, sqliteFinding } from '../sqlite-file/findings.ts'
import type { SqliteSettings } from './options.ts'
import { toText } from './row.ts'

/** A WAL file beyond this, in bytes, says that checkpoints do not get through: some reader keeps an old snapshot open. */
const largeWalBytes = 256 * 1024 * 1024

/** What is in force on this connection and in this file. */
export function report(connection: Connection, settings: SqliteSettings): readonly Finding[] {
  return [
    sqliteFinding(toText(connection.sql('select sqlite_version()').row()?.[0])),
    journal(connection, settings),
    durability(settings),
    schema(connection, settings),
    strangers(connection, settings),
    diskFinding(settings.file),
    wal(settings),
    integrity(connection),
  ]
}

function journal(connection: Connection, settings: SqliteSettings): Finding {
  const mode = toText(connection.sql('pragma journal_mode').row()?.[0])
  if (mode === 'wal') return { name: 'journal', level: 'ok', message: 'WAL' }
  if (settings.file === ':memory:')
    return { name: 'journal', level: 'warn', message: 'in memory: jobs are gone when the process ends' }
  return { name: 'journal', level: 'fail', message: `${mode}: readers and writers block each other` }
}

function durability({ durability: { enqueue, settle } }: SqliteSettings): Finding {
  const says = { full: 'on disk when the call returns', relaxed: 'safe from a dying process, not from a power cut' }
  const message = `enqueue: ${enqueue} (${says[enqueue]}); claim and settle: ${settle} (${settle === 'full' ? says.full : 'a power cut may run the last jobs again'})`
  return { name: 'durability', level: enqueue === 'full' ? 'ok' : 'warn', message }
}

function schema(connection: Connection, { prefix }: SqliteSettings): Finding {
  const version = currentVersion(connection, prefix)
  if (version === schemaVersion) return { name: 'schema', level: 'ok', message: `version ${version}` }
  if (version === 0)
    return {
      name: 'schema',
      level: 'fail',
      message: `the file has no ${prefix}* tables: it is not a jobferry file yet. Run jobferry migrate`,
    }
  return {
    name: 'schema',
    level: 'fail',
    message: `version ${version}, but this jobferry knows ${schemaVersion}. ${version > schemaVersion ? 'Update jobferry' : 'Run jobferry migrate'}`,
  }
}

/** Tables of others are welcome (an application keeps its jobs beside its data), but worth saying. */
function strangers(connection: Connection, { prefix }: SqliteSettings): Finding {
  const names = connection
    .sql(
      `select name from sqlite_schema where type = 'table' and name not glob ? and name not like 'sqlite_%' order by name`,
    )
    .rows(`${prefix}*`)
    .map(([name]) => toText(name))
  const message =
    names.length === 0
      ? 'the file holds only jobs'
      : `beside the jobs: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
  return { name: 'tables', level: 'ok', message }
}

function wal({ file }: SqliteSettings): Finding {
  const bytes = file === ':memory:' ? 0 : (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0)
  const size = `${Math.ceil(bytes / 1024)} KiB`
  if (bytes <= largeWalBytes) return { name: 'wal', level: 'ok', message: size }
  return {
    name: 'wal',
    level: 'warn',
    message: `${size}: a reader seems to keep an old snapshot open, so that it cannot be emptied`,
  }
}

function integrity(connection: Connection): Finding {
  const rows = connection.sql('pragma quick_check(5)').rows()
  const problems = rows.map(([text]) => toText(text)).filter((text) => text !== 'ok')
  if (problems.length === 0) return { name: 'integrity', level: 'ok', message: 'quick_check found nothing' }
  return { name: 'integrity', level: 'fail', message: problems.join('; ') }
}
