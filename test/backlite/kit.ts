import { DatabaseSync } from 'node:sqlite'

import { onTestFinished } from 'vitest'

import { type Jobs, open, type OpenOptions } from '../../src/index.ts'
import { BackliteStore, type BackliteOptions } from '../../src/stores/backlite/index.ts'
import { install } from '../../src/stores/backlite/schema.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { type Handle, newFile } from '../sqlite/kit.ts'

/** The instant at which tests begin whose clock is in their hands. */
export const T = Date.UTC(2026, 10, 27)

/** A value of a column with the type that SQLite keeps it in: a task is the text of its bytes. */
export type Cell = readonly [type: string, value: unknown]

/** A row, by column. */
export type Cells = Readonly<Record<string, Cell>>

export type Table = 'backlite_tasks' | 'backlite_tasks_completed'

/** A file with the tables of backlite, and a connection of nobody's to look at them. */
export interface Backlite {
  readonly file: string
  readonly db: Handle
  store(options?: Omit<BackliteOptions, 'file'>): BackliteStore
  /** For the length of the test; nobody else works the file, if nothing else is said. */
  jobs(options?: Omit<OpenOptions, 'clock'> & { readonly clock?: ManualClock }): Promise<Jobs>
  /** All rows by id, every column with its type. */
  rows(table?: Table): readonly Cells[]
  /** The values alone. */
  values(table?: Table): readonly Readonly<Record<string, unknown>>[]
}

/** A file as a Go program makes it, in WAL mode, or one that is there. */
export function newBacklite(file: string = newFile(), driver: (file: string) => Handle = connect): Backlite {
  const db = driver(file)
  db.exec(`pragma journal_mode = wal; ${install}`)
  onTestFinished(() => {
    if (!('isOpen' in db) || db.isOpen === true) db.close()
  })
  const rows = (table: Table = 'backlite_tasks'): readonly Cells[] => cells(db, table)
  return {
    file,
    db,
    store: (options = {}) => {
      const store = new BackliteStore({ file, dispatcher: 'stopped', ...options })
      onTestFinished(() => store.close())
      return store
    },
    jobs: async ({ clock, ...options } = {}) => {
      const jobs = await open(`backlite:${file}`, {
        logger: false,
        dispatcher: 'stopped',
        ...options,
        ...(clock === undefined ? {} : { clock }),
      })
      onTestFinished(() => (clock === undefined ? jobs.close({ grace: 0 }) : clock.during(jobs.close({ grace: 0 }))))
      return jobs
    },
    rows,
    values: (table) =>
      rows(table).map((row) => Object.fromEntries(Object.entries(row).map(([name, [, value]]) => [name, value]))),
  }
}

/** A second, independent connection, as another program has it, for the length of the test. It waits for no disk: no power is cut here. */
export function connect(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 5_000 })
  db.exec('pragma synchronous = off')
  onTestFinished(() => {
    if (db.isOpen) db.close()
  })
  return db
}

function cells(db: Handle, table: Table): readonly Cells[] {
  const names = db
    .prepare('select name from pragma_table_info(?)')
    .all(table)
    .map((row) => String((row as { name: unknown }).name))
  const columns = names.map((name) => `"${name}", typeof("${name}") as "type of ${name}"`)
  return db
    .prepare(`select ${columns.join(', ')} from ${table} order by id`)
    .all()
    .map((one) => one as Readonly<Record<string, unknown>>)
    .map((row) =>
      Object.fromEntries(
        names.map((name) => {
          const value = row[name]
          return [name, [String(row[`type of ${name}`]), value instanceof Uint8Array ? textOf(value) : value]]
        }),
      ),
    )
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}
