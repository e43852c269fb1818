import { UsageError } from '../../core/errors.ts'
import type { Awaitable, Bell } from '../../store.ts'
import { watch } from './bell.ts'
import { Line, whenFree } from './busy.ts'
import { Connection, isBusy, type SqliteHandle } from './connection.ts'
import { type Opening, openConnection } from './opening.ts'
import { checkTx } from './tx.ts'

/** How durable what is written is: `full`, on disk before the call returns; `relaxed`, a power cut may undo it. */
export type Durability = 'full' | 'relaxed'

/** What a file needs to be told. */
export interface FileSettings extends Opening {
  /** For the store's messages: `backlite`. */
  readonly store: string
  /** How long a call waits for the file's lock, in milliseconds. */
  readonly busyMs: number
}

/**
 * A SQLite file and the one connection that a store has to it, opened with its first use. Any number of processes may have the file open.
 *
 * Answers at once, without a promise; only when somebody else holds the file's lock for longer than a moment does the answer become one.
 */
export class SqliteFile {
  readonly settings: FileSettings
  readonly #setUp: (connection: Connection) => void
  readonly #line: Line
  readonly #callers = new WeakMap<SqliteHandle, Connection>()
  readonly #rings = new Set<(bell: Bell) => void>()
  #connection: Connection | undefined
  #closed = false
  #endWatch: (() => void) | undefined
  #wal: boolean | undefined
  #synchronous: Durability | undefined

  /** @param setUp called once with the connection: says what must hold on it, and throws for a file that is not to be used */
  constructor(settings: FileSettings, setUp: (connection: Connection) => void) {
    this.settings = settings
    this.#setUp = setUp
    this.#line = new Line(settings.busyMs)
  }

  /** @throws UsageError once closed, and as `openConnection` */
  get connection(): Connection {
    if (this.#closed) throw new UsageError(`The ${this.settings.store} store is closed.`)
    this.#connection ??= openConnection(this.settings, this.#setUp)
    return this.#connection
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Ends every `listen`, too. A second call does nothing. */
  close(): void {
    this.#endWatch?.()
    this.#rings.clear()
    this.#closed = true
    const connection = this.#connection
    this.#connection = undefined
    connection?.handle.close()
  }

  /** One look at one moment: several statements see the same rows. */
  read<T>(look: (connection: Connection) => T): Awaitable<T> {
    return whenFree(() => this.#look(look), this.settings.busyMs)
  }

  /** The same at once, or `undefined` while somebody holds the file's lock. */
  tryRead<T>(look: (connection: Connection) => T): T | undefined {
    try {
      return this.#look(look)
    } catch (error) {
      if (isBusy(error)) return undefined
      throw error
    }
  }

  /**
   * One transaction of our own, in turn.
   * @param change may be called again when the file's lock was not to be had: it leaves nothing behind outside the file
   * @param committed called once with what came of it, when that is stored
   */
  write<T>(
    durability: Durability,
    change: (connection: Connection) => T,
    committed: (result: T) => void = () => undefined,
  ): Awaitable<T> {
    return this.#line.whenFree(() => {
      const result = this.#transact(durability, change)
      committed(result)
      return result
    })
  }

  /**
   * Inside the caller's transaction, on the caller's handle: a savepoint, so that our part happens whole or not at all.
   * @throws UsageError when it is no transaction on this file
   */
  inTx<T>(tx: SqliteHandle, change: (connection: Connection) => T): T {
    const connection = this.#callers.get(tx) ?? new Connection(tx)
    checkTx(connection, this.connection, this.settings.file)
    this.#callers.set(tx, connection)
    connection.exec('savepoint jobferry')
    try {
      const result = change(connection)
      connection.exec('release jobferry')
      return result
    } catch (error) {
      connection.exec('rollback to jobferry')
      connection.exec('release jobferry')
      throw error
    }
  }

  /** Rings `jobs` for what other connections write as soon as the WAL file moves; for our own, `ring` does. */
  listen(ring: (bell: Bell) => void): () => void {
    const own = (bell: Bell): void => ring(bell)
    const { connection } = this
    this.#rings.add(own)
    this.#endWatch ??= watch(
      this.settings.file,
      () => connection.sql('pragma data_version').row()?.[0],
      () => this.ring('jobs'), // nobody is asked to stop in a format of another queue: no control, which hearts would answer with writes
    )
    return () => {
      this.#rings.delete(own)
      if (this.#rings.size > 0) return
      this.#endWatch?.()
      this.#endWatch = undefined
    }
  }

  ring(bell: Bell): void {
    for (const ring of this.#rings) ring(bell)
  }

  #look<T>(look: (connection: Connection) => T): T {
    const { connection } = this
    connection.sql('begin').run()
    try {
      return look(connection)
    } finally {
      connection.sql('commit').run()
    }
  }

  #transact<T>(durability: Durability, change: (connection: Connection) => T): T {
    const { connection } = this
    this.#setSynchronous(connection, durability)
    connection.sql('begin immediate').run()
    try {
      const result = change(connection)
      connection.sql('commit').run()
      return result
    } catch (error) {
      if (connection.inTransaction !== false) connection.sql('rollback').run()
      throw error
    }
  }

  /**
   * Relaxed only in WAL mode: with a rollback journal, a power cut could damage the file. Never prepared: the pragma takes effect when it is
   * compiled.
   */
  #setSynchronous(connection: Connection, wanted: Durability): void {
    this.#wal ??= connection.sql('pragma journal_mode').row()?.[0] === 'wal'
    const mode = this.#wal ? wanted : 'full'
    if (this.#synchronous === mode) return
    connection.exec(mode === 'full' ? 'pragma synchronous = full' : 'pragma synchronous = normal')
    this.#synchronous = mode
  }
}
