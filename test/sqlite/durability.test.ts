import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it } from 'vitest'

import { type Jobs, type OpenOptions, task } from '../../src/index.ts'
import type { SqliteHandle, SqliteStatement } from '../../src/stores/sqlite/index.ts'
import { newFile, openJobs } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello' })

/** `pragma synchronous`: 1 is NORMAL, 2 is FULL. */
const [normal, full] = [1, 2]

/**
 * A store whose handle notes, at every commit, whether it is flushed: the pragma as it stands when the commit is made, and the table that
 * the transaction wrote to last.
 */
async function watched(options: OpenOptions = {}): Promise<{ jobs: Jobs; commits: { table: string; mode: number }[] }> {
  const commits: { table: string; mode: number }[] = []
  const driver = (file: string): SqliteHandle => {
    const db = new DatabaseSync(file)
    const mode = db.prepare('pragma synchronous')
    let table = ''
    const note = (): void => {
      if (table !== '') commits.push({ table, mode: Number(mode.get()!['synchronous']) })
      table = ''
    }
    const noting = (statement: SqliteStatement, sql: string): SqliteStatement => {
      const written = /^\s*(?:insert into|update|delete from)\s+\w+?_(\w+)/.exec(sql)?.[1]
      return new Proxy(statement, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key, target)
          if (typeof value !== 'function') return value
          return (...args: unknown[]): unknown => {
            if (sql === 'commit') note()
            const result: unknown = Reflect.apply(value, target, args)
            if ((key === 'run' || key === 'all') && written !== undefined) {
              // A statement outside a transaction is committed by itself.
              table = table === 'job' ? 'job' : written
              if (!db.isTransaction) note()
            }
            return result
          }
        },
      })
    }
    return {
      prepare: (sql) => noting(db.prepare(sql), sql),
      exec: (sql) => db.exec(sql),
      close: () => db.close(),
      get isTransaction() {
        return db.isTransaction
      },
    }
  }
  const jobs = await openJobs(newFile(), { driver, ...options })
  commits.length = 0
  return { jobs, commits }
}

/** The modes of the commits of each kind of call, in this order. */
async function modes(options: OpenOptions): Promise<Record<string, readonly number[]>> {
  const { jobs, commits } = await watched(options)
  const seen: Record<string, readonly number[]> = {}
  const during = async (name: string, call: () => Promise<unknown>): Promise<void> => {
    commits.length = 0
    await call()
    seen[name] = commits.map(({ mode }) => mode)
  }
  await during('first', () => jobs.enqueue(hello, { n: 1 }))
  await during('alone', () => jobs.enqueue(hello, { n: 2 }))
  await during('many', () => jobs.enqueueMany([hello.with({ n: 3 }), hello.with({ n: 4 }), hello.with({ n: 5 })]))
  await during('unique', () => jobs.enqueue(hello, { n: 6 }, { unique: 'k' }))
  await during('replace', () => jobs.enqueue(hello, { n: 7 }, { unique: { key: 'k', onConflict: 'replace' } }))
  const held = await jobs.leaseMany({ limit: 4 })
  await during('claim', () => jobs.lease())
  await during('extend', () => held[0]!.extend('1m'))
  await during('complete', () => held[0]!.complete())
  await during('fail', () => held[1]!.fail(new Error('no')))
  await during('cancel', () => jobs.cancel(held[2]!.id))
  await during('edit', async () => jobs.edit((await jobs.list({ state: 'pending' }))[0]!.id, { priority: 3 }))
  await during('afterwards', () => jobs.enqueue(hello, { n: 8 }))
  return seen
}

describe('how durable a write is', () => {
  it('by default: an enqueue and what somebody asks of a job are on disk before they return, a claim and an end are not', async () => {
    expect(await modes({})).toEqual({
      first: [full],
      alone: [full],
      many: [full],
      unique: [full],
      replace: [full],
      claim: [normal],
      extend: [normal],
      complete: [normal],
      fail: [normal],
      cancel: [full],
      edit: [full],
      afterwards: [full],
    })
  })

  it.each(['full', 'relaxed'] as const)('with `durability: %s`: all alike', async (durability) => {
    const seen = new Set(Object.values(await modes({ durability })).flat())
    expect([...seen]).toEqual([durability === 'full' ? full : normal])
  })

  it('the other way round, if that is asked for', async () => {
    const seen = await modes({ durability: { enqueue: 'relaxed', settle: 'full' } })
    expect([seen['alone'], seen['many'], seen['claim'], seen['complete']]).toEqual([[normal], [normal], [full], [full]])
  })

  it('shares one commit among enqueues that are awaited together, each still with its own answer', async () => {
    const { jobs, commits } = await watched()
    await jobs.enqueue(hello, { n: 0 })
    commits.length = 0
    const enqueued = await Promise.all(Array.from({ length: 100 }, (_, n) => jobs.enqueue(hello, { n })))
    expect(new Set(enqueued.map(({ id }) => id)).size).toBe(100)
    expect(commits).toHaveLength(1)
  })

  it('is told by the report', async () => {
    const { jobs } = await watched()
    expect((await jobs.report()).find(({ name }) => name === 'durability')).toEqual({
      name: 'durability',
      level: 'ok',
      message: expect.stringMatching(/enqueue: full.*settle: relaxed/),
    })
    const relaxed = await openJobs(newFile(), { durability: 'relaxed' })
    expect((await relaxed.report()).find(({ name }) => name === 'durability')?.level).toBe('warn')
  })
})
