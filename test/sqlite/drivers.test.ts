import { describe, expect, it } from 'vitest'

import { type Jobs, snooze, StoreError, task, UsageError } from '../../src/index.ts'
import { SqliteStore } from '../../src/stores/sqlite/index.ts'
import { count, drivers, newFile, next, openHandle, openJobs, openOn, startChild } from './kit.ts'

const greet = task<{ n: number }>({ name: 'greet', backoff: '1ms', maxAttempts: 2 })

describe.each(Object.entries(openOn))('the store on %s', (driver, options) => {
  const setUp = async (): Promise<{ jobs: Jobs; file: string }> => {
    const file = newFile()
    return { jobs: await openJobs(file, options), file }
  }

  it('takes a job through failure, retry, snooze and completion, with its log', async () => {
    const { jobs } = await setUp()
    let snoozed = false
    jobs.work([
      greet.handle(({ n }, job) => {
        job.log.info('greeting', { n })
        if (job.attempt === 1) throw new TypeError('not yet')
        if (!snoozed) {
          snoozed = true
          return snooze('1ms')
        }
        return { greeted: n }
      }),
    ])
    const completed = next(jobs, 'completed')
    const { id } = await jobs.enqueue(greet, { n: 1 })
    await completed
    expect(await jobs.get(id)).toMatchObject({
      state: 'completed',
      attempt: 2,
      result: { greeted: 1 },
      failures: [{ attempt: 1, name: 'TypeError', message: 'not yet' }],
    })
    expect((await jobs.logs(id)).map(({ attempt, message, data }) => ({ attempt, message, data }))).toEqual([
      { attempt: 1, message: 'greeting', data: { n: 1 } },
      { attempt: 2, message: 'greeting', data: { n: 1 } },
      { attempt: 2, message: 'greeting', data: { n: 1 } },
    ])
  })

  it('works a thousand jobs once each', async () => {
    const { jobs } = await setUp()
    const seen = new Map<number, number>()
    const ended = count(jobs, 'completed', 1_000)
    jobs.work([greet.handle(({ n }) => void seen.set(n, (seen.get(n) ?? 0) + 1))], { concurrency: 20 })
    await jobs.enqueueMany(Array.from({ length: 1_000 }, (_, n) => greet.with({ n })))
    await ended
    expect(seen.size).toBe(1_000)
    expect([...seen.values()].every((times) => times === 1)).toBe(true)
    expect((await jobs.stats())[0]?.counts).toEqual({
      pending: 0,
      running: 0,
      completed: 1_000,
      failed: 0,
      cancelled: 0,
    })
  })

  it('keeps unique keys, concurrency keys, pauses and filters', async () => {
    const { jobs } = await setUp()
    const first = await jobs.enqueue(greet, { n: 1 }, { unique: 'k', concurrencyKey: 'c' })
    expect(await jobs.enqueue(greet, { n: 2 }, { unique: 'k' })).toEqual({ id: first.id, outcome: 'kept' })
    await jobs.enqueue(greet, { n: 3 }, { concurrencyKey: 'c' })
    await jobs.pause('default')
    expect(await jobs.lease()).toBeUndefined()
    await jobs.resume('default')
    const held = await jobs.lease()
    expect(held?.id).toBe(first.id)
    expect(await jobs.lease()).toBeUndefined()
    expect(await held?.complete('done')).toBe(true)
    expect((await jobs.lease())?.payload).toEqual({ n: 3 })
    expect((await jobs.list({ state: 'completed', uniqueKey: 'k' })).map(({ id }) => id)).toEqual([first.id])
    expect(await jobs.prune({ state: 'completed' })).toBe(1)
    expect(await jobs.get(first.id)).toBeUndefined()
  })

  it('gives bytes back as bytes', async () => {
    const { jobs } = await setUp()
    const bytes = task<Uint8Array>({ name: 'bytes' })
    await jobs.enqueue(bytes, new Uint8Array([0, 1, 254, 255]))
    const held = await jobs.lease()
    expect(held?.payload).toEqual(new Uint8Array([0, 1, 254, 255]))
  })

  it('says which failures may pass: a lock held by others does', async () => {
    const { jobs, file } = await setUp()
    const child = await startChild()
    await child.call('hold', file)
    const impatient = await openJobs(file, { ...options, busyTimeout: '100ms' }).catch((error: unknown) => error)
    expect(impatient).toMatchObject({ name: 'StoreError', retryable: true })
    await child.call('letGo')
    await expect(jobs.enqueue(greet, { n: 1 })).resolves.toMatchObject({ outcome: 'added' })
  })

  it('leaves what is no failure of the database as it is', async () => {
    const { file } = await setUp()
    const store = new SqliteStore({ file, ...options })
    expect(() => store.connection.sql('select * from nowhere')).toThrow(StoreError)
    expect(() => store.connection.sql('select * from nowhere')).toThrow('no such table')
    store.close()
    store.close()
    expect(() => store.connection).toThrow(UsageError)
  })

  it('reports what is in force', async () => {
    const { jobs } = await setUp()
    const report = await jobs.report()
    expect(report.find(({ name }) => name === 'journal')).toMatchObject({ level: 'ok', message: 'WAL' })
    expect(report.find(({ name }) => name === 'sqlite')?.level).toBe(driver === 'libsql' ? 'fail' : 'ok')
    expect(report.find(({ name }) => name === 'integrity')?.level).toBe('ok')
  })

  it('leaves a file that any other driver reads', async () => {
    const { jobs, file } = await setUp()
    await jobs.enqueueMany([greet.with({ n: 1 }), greet.with({ n: 2 })])
    await jobs.close()
    for (const openDriver of Object.values(drivers)) {
      const db = openHandle(file, openDriver)
      expect(db.prepare('select id from jobferry_job').all()).toHaveLength(2)
    }
  })
})

it('refuses a driver with a SQLite that can corrupt the file, unless told otherwise', async () => {
  const file = newFile()
  await expect(openJobs(file, { driver: openOn['libsql']!.driver! })).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringMatching(/3\.\d+\.\d+.*WAL-reset.*allowUnsafeSqlite/s),
  })
})

it('refuses a driver that is no function', async () => {
  await expect(openJobs(newFile(), { driver: 'better-sqlite3' as never })).rejects.toThrow(UsageError)
})
