import type { Contender } from '../contender.ts'

/** The part of a driver that it takes to look at a file. */
export interface Database {
  exec(sql: string): unknown
  prepare(sql: string): { all(): unknown[] }
  close(): unknown
}

const paddingBytes = 2 ** 21

/**
 * What all contenders on SQLite share: how to look into the file, and how to age it. `unfinished` is the condition of those that wait or run.
 *
 * `open` must be the driver that the contender itself uses. With two copies of SQLite in one process on one file, closing the one takes the
 * locks and even the log from under the other, and jobs are lost: that was seen here.
 */
export function sqliteFile(
  open: (file: string) => Database,
  table: string,
  unfinished: string,
): Required<Pick<Contender, 'count' | 'ripen'>> {
  return {
    count: (file) => {
      const database = open(file)
      const stored = count(database, table)
      const left = count(database, `${table} where ${unfinished}`)
      database.close()
      return { stored, unfinished: left }
    },
    /**
     * Grows the write-ahead log, and has it written from its beginning again, as in a file that is in use.
     *
     * Without it a short round measures how the file system makes the log longer at each commit (up to half the time of a small commit at
     * FULL), and flatters those who write the most and so get past that first.
     */
    ripen: (file) => {
      const database = open(file)
      database.exec('pragma synchronous = full')
      database.exec('begin; create table bench_padding (x)')
      database.exec(`insert into bench_padding values (zeroblob(${paddingBytes})); commit`)
      database.exec('pragma wal_checkpoint(restart)')
      database.close()
    },
  }
}

function count(database: Database, from: string): number {
  const [row] = database.prepare(`select count(*) as n from ${from}`).all()
  if (typeof row === 'object' && row !== null && 'n' in row && typeof row.n === 'number') return row.n
  throw new Error(`${from} could not be counted`)
}
