import type { Finding } from '../../store.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import { diskFinding, sqliteFinding } from '../sqlite-file/findings.ts'
import type { BackliteSettings } from './options.ts'
import { toNumber, toText } from './row.ts'

/** What is in force, and what of it needs somebody's attention. */
export function report(connection: Connection, settings: BackliteSettings): readonly Finding[] {
  const count = (text: string, ...values: number[]): number => toNumber(connection.sql(text).row(...values)?.[0])
  const version = toText(connection.sql('select sqlite_version()').row()?.[0])
  const journal = toText(connection.sql('pragma journal_mode').row()?.[0])
  const failed = count('select count(*) from backlite_tasks_completed where error is not null')
  const over = count(
    `select count(*) from backlite_tasks where claimed_at < unixepoch('subsec') * 1000 - ?`,
    settings.releaseMs,
  )
  return [
    sqliteFinding(version),
    diskFinding(settings.file),
    { name: 'backlite', level: 'ok', message: 'the tables of backlite v0.6' },
    journal === 'wal'
      ? { name: 'journal', level: 'ok', message: 'WAL; told of new tasks by the file' }
      : {
          name: 'journal',
          level: 'warn',
          message: `${journal}: readers and writers block each other, and new tasks of other programs are only found by polling. Open the file with _journal=WAL in Go`,
        },
    settings.dispatcher === 'stopped'
      ? { name: 'dispatcher', level: 'ok', message: 'said to be stopped: tasks are worked here' }
      : { name: 'dispatcher', level: 'ok', message: 'may be running: tasks are added and looked at here, not worked' },
    { name: 'release', level: 'ok', message: `claims are over after ${settings.releaseMs} ms` },
    ...(over === 0
      ? []
      : [
          { name: 'claims', level: 'warn', message: `${over} claims are over: their tasks wait for a worker` } as const,
        ]),
    ...(failed === 0
      ? []
      : [{ name: 'failed', level: 'warn', message: `${failed} tasks have failed for good` } as const]),
  ]
}
