import { readFileSync, statSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { type Jobs, snooze, task } from '../../src/index.ts'
import { newFile, next, openHandle, openJobs, startChild } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello', backoff: '1ms' })

/**
 * The locks that this process holds on a file and its shared memory, as the kernel has them. POSIX locks die when *any* descriptor of the
 * file is closed: then the next process to come believes to be alone, and throws away the WAL with what was committed to it.
 */
function locksOf(file: string): readonly string[] {
  const own = new Set([statSync(file).ino, statSync(`${file}-shm`).ino])
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , , pid, place]) => pid === String(process.pid) && own.has(Number(place?.split(':')[2])))
    .map(([, kind, , mode, , place, from, to]) => [kind, mode, place, from, to].join(' '))
    .toSorted()
}

const inodes = (file: string): readonly number[] => [file, `${file}-wal`].map((path) => statSync(path).ino)

/** Every call that a user can make, one after the other. */
const calls: readonly (readonly [string, (jobs: Jobs, file: string) => Promise<unknown>])[] = [
  ['enqueue', (jobs) => jobs.enqueue(hello, { n: 1 })],
  ['enqueue unique', (jobs) => jobs.enqueue(hello, { n: 1 }, { unique: 'k' })],
  ['enqueueMany', (jobs) => jobs.enqueueMany([hello.with({ n: 2 }), hello.with({ n: 3 })])],
  [
    'enqueue in a transaction',
    async (jobs, file) => {
      const db = openHandle(file)
      db.exec('begin')
      jobs.enqueue(hello, { n: 4 }, { tx: db })
      db.exec('commit')
    },
  ],
  ['lease and complete', async (jobs) => await (await jobs.lease())?.complete()],
  [
    'lease and complete in a transaction',
    async (jobs, file) => {
      const held = await jobs.lease()
      const db = openHandle(file)
      db.exec('begin immediate')
      held!.complete(undefined, { tx: db })
      db.exec('commit')
    },
  ],
  ['lease and fail', async (jobs) => await (await jobs.lease())?.fail(new Error('no'))],
  [
    'lease, extend, log and release',
    async (jobs) => {
      const held = await jobs.lease()
      await held!.extend('1m')
      held!.log.info('hello')
      await held!.release()
    },
  ],
  ['leaseMany', async (jobs) => await Promise.all((await jobs.leaseMany({ limit: 2 })).map((held) => held.snooze(0)))],
  ['lease that waits', (jobs) => jobs.lease({ queue: 'empty', wait: '5ms' })],
  ['get', async (jobs) => await jobs.get((await jobs.list())[0]!.id)],
  ['logs', async (jobs) => await jobs.logs((await jobs.list())[0]!.id)],
  ['list', (jobs) => jobs.list({ state: 'pending' })],
  ['stats', (jobs) => jobs.stats()],
  ['report', (jobs) => jobs.report()],
  ['pause', (jobs) => jobs.pause('default')],
  ['resume', (jobs) => jobs.resume('default')],
  ['configure', (jobs) => jobs.configure('default', { concurrency: 5, priority: 1 })],
  ['edit', async (jobs) => await jobs.edit((await jobs.list({ state: 'pending' }))[0]!.id, { priority: 3 })],
  ['cancel', async (jobs) => await jobs.cancel((await jobs.list({ state: 'pending' }))[0]!.id)],
  ['retry', async (jobs) => await jobs.retry((await jobs.list({ state: 'cancelled' }))[0]!.id)],
  ['delete', async (jobs) => await jobs.delete((await jobs.list({ state: 'pending' }))[0]!.id)],
  ['prune', (jobs) => jobs.prune({})],
  [
    'work and stop',
    async (jobs) => {
      const snoozed = next(jobs, 'snoozed')
      const worker = jobs.work([hello.handle(() => snooze('1h'))])
      await jobs.enqueue(hello, { n: 9 })
      await snoozed
      await worker.stop()
    },
  ],
]

describe.skipIf(process.platform !== 'linux')('the locks of the kernel', () => {
  it('are held as before after every call, and the WAL is the same file', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    await jobs.enqueue(hello, { n: 0 })
    const before = { locks: locksOf(file), inodes: inodes(file) }
    expect(before.locks.length).toBeGreaterThanOrEqual(2)
    for (const [name, call] of calls) {
      await call(jobs, file)
      expect({ locks: locksOf(file), inodes: inodes(file) }, `after ${name}`).toEqual(before)
    }
  })

  it('are held as before when another store of this process opens and closes the file', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    await jobs.enqueue(hello, { n: 0 })
    const before = { locks: locksOf(file), inodes: inodes(file) }
    const other = await openJobs(file)
    await other.enqueue(hello, { n: 1 })
    const worker = other.work([hello.handle(() => undefined)])
    await worker.stop()
    await other.close()
    expect({ locks: locksOf(file), inodes: inodes(file) }).toEqual(before)
  })

  it('outlive other processes that open, use and close the file, or are killed: the WAL stays', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    await jobs.enqueue(hello, { n: 0 })
    const before = { locks: locksOf(file), inodes: inodes(file) }
    const child = await startChild()
    await child.call('open', file)
    await child.call('enqueue', 1)
    await child.call('close')
    expect({ locks: locksOf(file), inodes: inodes(file) }).toEqual(before)
    const killed = await startChild()
    await killed.call('open', file)
    await killed.call('enqueue', 2)
    await killed.end('SIGKILL')
    expect({ locks: locksOf(file), inodes: inodes(file) }).toEqual(before)
    expect((await jobs.stats())[0]?.counts.pending).toBe(3)
  })

  it('are let go when the store closes, and with the last one the WAL is written back and gone', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    await jobs.enqueue(hello, { n: 0 })
    await jobs.close()
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })).toBeUndefined()
    expect(readFileSync('/proc/locks', 'utf8')).not.toContain(`:${statSync(file).ino} `)
  })
})
