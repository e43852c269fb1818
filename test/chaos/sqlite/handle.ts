import { DatabaseSync } from 'node:sqlite'

import type { SqliteValue } from '../../../src/stores/sqlite-file/connection.ts'
import type { SqliteHandle, SqliteStatement } from '../../../src/stores/sqlite/index.ts'
import { planted } from '../bugs.ts'
import { fast, speedFor } from '../clock.ts'
import { currentCall, type Failpoints } from '../failpoints.ts'
import type { Part } from '../plan.ts'
import { inSql } from './bugs.ts'
import { witness } from './tape.ts'

/** A connection of node:sqlite, with failpoints around each commit that changes something, and with the function that the tape asks who writes. */
export class Handle implements SqliteHandle {
  readonly #db: DatabaseSync
  readonly #part: Part
  readonly #failpoints: Failpoints
  #changed = false

  constructor(file: string, part: Part, failpoints: Failpoints) {
    this.#db = new DatabaseSync(file, { timeout: 50 })
    this.#part = part
    this.#failpoints = failpoints
    const speed = speedFor(part.plan.leaseMs)
    this.#db.function(witness, () => `${fast(Date.now(), part.epoch, speed)} ${part.who} ${currentCall()}`)
  }

  prepare(sql: string): SqliteStatement {
    const statement = this.#db.prepare(planted(sql, this.#part.plan.bug, inSql))
    const writes = /^\s*(insert|update|delete)/.test(sql)
    return {
      run: (...values: SqliteValue[]) => {
        if (sql === 'commit') return this.#commit(() => statement.run())
        if (sql.startsWith('begin')) this.#changed = false
        if (writes && !this.#db.isTransaction) return this.#alone(() => statement.run(...values))
        const result = statement.run(...values)
        if (Number(result.changes) > 0) this.#changed = true
        return result
      },
      all: (...values: SqliteValue[]) => {
        const rows = statement.all(...values)
        if (writes && rows.length > 0) this.#changed = true
        return rows
      },
      setReturnArrays: (enabled: boolean) => statement.setReturnArrays(enabled),
    }
  }

  exec(sql: string): void {
    if (sql === 'commit') this.#commit(() => this.#db.exec(sql))
    else this.#db.exec(sql)
    if (sql.startsWith('begin')) this.#changed = false
  }

  close(): void {
    this.#db.close()
  }

  get isTransaction(): boolean {
    return this.#db.isTransaction
  }

  /** A statement that is its own transaction. */
  #alone<T>(run: () => T): T {
    this.#changed = true
    return this.#commit(run)
  }

  #commit<T>(commit: () => T): T {
    const changed = this.#changed
    if (changed) this.#failpoints.pass(`${currentCall()}.before-commit`)
    const result = commit()
    this.#changed = false
    if (changed) this.#failpoints.pass(`${currentCall()}.after-commit`)
    return result
  }
}
