import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

import { onTestFinished } from 'vitest'

import { type Jobs, open } from '../../src/index.ts'
import { type LiteqOptions, LiteqStore } from '../../src/stores/liteq/index.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { newFile } from '../sqlite/kit.ts'
import { hasty } from './hasty.ts'
import { type Flavour, liteqSchema } from './schema.ts'

/** The instant at which tests begin whose clock is in their hands. */
export const T = Date.UTC(2026, 10, 27)

/** The same in seconds. */
export const S = T / 1_000

type Options = Omit<LiteqOptions, 'file'>

/** A value of a column with the type that SQLite keeps it in; bytes as their text. */
export type Cell = readonly [type: string, value: unknown]

/** A row, by column. */
export type Cells = Readonly<Record<string, Cell>>

/** A file with the table of liteq, and a connection of nobody's to look at it. */
export interface Liteq {
  readonly file: string
  readonly db: DatabaseSync
  /** For the length of the test. */
  store(options?: Options): LiteqStore
  jobs(options?: Options & { readonly clock?: ManualClock }): Promise<Jobs>
  /** All rows by id, every column with its type. */
  rows(): readonly Cells[]
  /** The values alone. */
  values(): readonly Readonly<Record<string, unknown>>[]
}

/** A new file as a Go program makes it, or one that is there. */
export function newLiteq(flavour: Flavour, file: string = newFile()): Liteq {
  const isNew = !existsSync(file)
  const db = connect(file)
  if (isNew) db.exec(liteqSchema[flavour])
  return {
    file,
    db,
    store: (options = {}) => {
      const store = new LiteqStore({ file, driver: hasty, ...options })
      onTestFinished(() => store.close())
      return store
    },
    jobs: async ({ clock, ...options } = {}) => {
      const jobs = await open(`liteq:${file}`, {
        logger: false,
        driver: hasty,
        ...options,
        ...(clock === undefined ? {} : { clock }),
      })
      onTestFinished(() => (clock === undefined ? jobs.close({ grace: 0 }) : clock.during(jobs.close({ grace: 0 }))))
      return jobs
    },
    rows: () => cellsOf(db),
    values: () =>
      cellsOf(db).map((row) => Object.fromEntries(Object.entries(row).map(([name, [, value]]) => [name, value]))),
  }
}

/** A second, independent connection, as another program has it, for the length of the test. It waits for no disk, either. */
export function connect(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 5_000 })
  db.exec('pragma synchronous = off')
  onTestFinished(() => {
    if (db.isOpen) db.close()
  })
  return db
}

const columns = [
  'id',
  'queue',
  'job',
  'job_status',
  'execute_after',
  'remaining_attempts',
  'consumer_fetched_at',
  'finished_at',
  'deduping_key',
  'errors',
  'created_at',
  'updated_at',
] as const

function cellsOf(db: DatabaseSync): readonly Cells[] {
  const selected = columns.map((name) => `${name}, typeof(${name}) as type_of_${name}`).join(', ')
  return db
    .prepare(`select ${selected} from jobs order by id`)
    .all()
    .map((row) =>
      Object.fromEntries(
        columns.map((name) => {
          const value = row[name]
          return [
            name,
            [String(row[`type_of_${name}`]), value instanceof Uint8Array ? Buffer.from(value).toString() : value],
          ]
        }),
      ),
    )
}
