import type { Finding } from '../../store.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import { diskFinding, sqliteFinding } from '../sqlite-file/findings.ts'
import type { Flavour } from './format.ts'
import type { LiteqSettings } from './options.ts'
import { toNumber, toText } from './row.ts'

/** Which liteq this is, and what of it needs somebody's attention. */
export function report(connection: Connection, settings: LiteqSettings, flavour: Flavour): readonly Finding[] {
  const one = (text: string): unknown => connection.sql(text).row()?.[0]
  return [
    sqliteFinding(toText(one('select sqlite_version()'))),
    {
      name: 'liteq',
      level: 'ok',
      message:
        flavour === 'raw'
          ? 'v0.1: keys hold for the whole table'
          : 'keys hold for their queue, one of each runs at a time',
    },
    journal(toText(one('pragma journal_mode'))),
    diskFinding(settings.file),
    visibility(
      settings,
      toNumber(one(`select count(*) from jobs where job_status = 'fetched' and consumer_fetched_at <= updated_at`)),
    ),
    hopeless(toNumber(one(`select count(*) from jobs where job_status = 'queued' and remaining_attempts <= 0`))),
  ]
}

function journal(mode: string): Finding {
  if (mode === 'wal') return { name: 'journal', level: 'ok', message: 'WAL: told at once of new jobs' }
  return {
    name: 'journal',
    level: 'warn',
    message: `${mode}: new jobs of other programs are found by polling. Setup of liteq sets WAL`,
  }
}

/** Jobs that Go programs have now, or died with. */
function visibility({ visibilityS }: LiteqSettings, theirs: number): Finding {
  if (visibilityS !== undefined)
    return {
      name: 'visibility-timeout',
      level: 'ok',
      message: `jobs that Go programs took are taken back ${visibilityS} s later`,
    }
  const message = 'none given: jobs of Go programs that died stay fetched, as in liteq without one'
  if (theirs === 0) return { name: 'visibility-timeout', level: 'ok', message }
  return { name: 'visibility-timeout', level: 'warn', message: `${message}; ${theirs} are fetched now` }
}

function hopeless(count: number): Finding {
  const message = `${count} jobs wait without an attempt left, which liteq never offers: shown as failed`
  return { name: 'attempts', level: count === 0 ? 'ok' : 'warn', message }
}
