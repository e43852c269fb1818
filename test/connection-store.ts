import { DatabaseSync, type SQLInputValue } from 'node:sqlite'

import type { Capability } from '../src/core/capability.ts'
import { StoreError, UsageError } from '../src/core/errors.ts'
import { SqliteStore } from '../src/stores/sqlite/index.ts'
import type { Awaitable, Batch, OwnTransaction, Store } from '../src/store.ts'
import type { SqlTransaction } from '../src/store-transaction.ts'
import type { Write } from '../src/core/lifecycle.ts'

/** What happens around a commit: it may be delayed, fail before it, or fail after it. */
export type AroundCommit = (commit: () => void) => Promise<void>

/** What a connection is asked, in order. Fails the test when asked two things at once, as clients of PostgreSQL do. */
interface Handle extends SqlTransaction {
  readonly use: <T>(call: (db: DatabaseSync) => Awaitable<T>) => Promise<T>
  /** Whether it has written, and so sees no more what others commit. */
  readonly writes: () => boolean
}

/**
 * A SQLite file that behaves as a database over a network: transactions answer with promises, and it begins them itself, each on a
 * connection of its own that sees what others have committed until it writes. A connection, and its handle, is used again afterwards.
 */
export function connectionStore(
  file: string,
  aroundCommit: () => AroundCommit | undefined = () => undefined,
): Store<Handle> {
  const inner = new SqliteStore({ file })
  const all: DatabaseSync[] = []
  const free: [DatabaseSync, Handle][] = []
  let closed = false

  function connect(): [DatabaseSync, Handle] {
    const db = new DatabaseSync(file, { timeout: 50 })
    all.push(db)
    return [db, handleOf(db)]
  }

  function begin(): OwnTransaction<Handle> {
    if (closed) throw new UsageError('The store is closed.')
    const [db, tx] = free.pop() ?? connect()
    let over = false
    const end = (how: 'commit' | 'rollback'): void => {
      if (over || closed) throw new StoreError('The connection is lost', { retryable: false })
      over = true
      if (db.isTransaction) db.exec(how)
      free.push([db, tx])
    }
    return {
      tx,
      commit: async () => {
        try {
          await (aroundCommit() ?? (async (commit) => commit()))(() => end('commit'))
        } finally {
          if (!over && !closed) end('rollback')
        }
      },
      rollback: () => {
        if (!over && !closed) end('rollback')
      },
    }
  }

  const own: Partial<Store<Handle>> = {
    capabilities: new Set<Capability>([...inner.capabilities, 'connection']),
    begin,
    close: () => {
      if (closed) return
      closed = true
      for (const db of all) db.close()
      inner.close()
    },
    insert: (batches: readonly Batch[], now, tx) =>
      tx === undefined ? inner.insert(batches, now) : tx.use((db) => inner.insert(batches, now, db)),
    apply: (writes: readonly Write[], now, tx) =>
      tx === undefined ? inner.apply(writes, now) : tx.use((db) => inner.apply(writes, now, db)),
    get: (ids, tx) => (tx?.writes() === true ? tx.use((db) => inner.get(ids, db)) : inner.get(ids)),
  }
  return new Proxy(inner as unknown as Store<Handle>, {
    get(target, key: keyof Store<Handle>) {
      if (key in own) return own[key]
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function handleOf(db: DatabaseSync): Handle {
  let busy = false
  const use: Handle['use'] = async (call) => {
    if (busy) throw new Error('The connection is asked two things at once')
    busy = true
    try {
      await Promise.resolve()
      if (!db.isTransaction) db.exec('begin immediate')
      const answer = await call(db)
      await Promise.resolve()
      return answer
    } finally {
      busy = false
    }
  }
  return {
    use,
    writes: () => db.isTransaction,
    query: (text, values = []) =>
      use((handle) => ({
        rows: handle.prepare(text).all(...(values as SQLInputValue[])) as Record<string, unknown>[],
      })),
  }
}
