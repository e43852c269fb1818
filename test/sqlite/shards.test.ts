import { describe, expect, it } from 'vitest'

import { type Jobs, task, UsageError } from '../../src/index.ts'
import { count, newFile, next, openHandle, openJobs, startChild } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello' })
const queues = Array.from({ length: 12 }, (_, n) => `q${n}`)

/** By rule: the last letter of the queue's name. */
const byLetter = (queue: string, files: number): number => (queue.codePointAt(queue.length - 1) ?? 0) % files

async function threeFiles(): Promise<{ jobs: Jobs; files: readonly string[] }> {
  const files = [newFile(), newFile(), newFile()]
  return { jobs: await openJobs(files, { shardBy: byLetter }), files }
}

async function rowsIn(file: string): Promise<readonly string[]> {
  const one = await openJobs(file)
  const listed = await one.list({ limit: 1_000 })
  await one.close()
  return [...new Set(listed.map(({ queue }) => queue))].toSorted()
}

describe('several files as one store', () => {
  it('keep each queue in one of them, by the rule given', async () => {
    const { jobs, files } = await threeFiles()
    for (const queue of queues) for (let n = 0; n < 3; n++) await jobs.enqueue(hello, { n }, { queue })
    await jobs.close()
    const found = await Promise.all(files.map((file) => rowsIn(file)))
    expect(found.flat().toSorted()).toEqual(queues.toSorted())
    for (const [i, own] of found.entries()) expect(own.every((queue) => byLetter(queue, 3) === i)).toBe(true)
  })

  it('spread queues by a hash of their name, in every process to the same file', async () => {
    const files = [newFile(), newFile()]
    const jobs = await openJobs(files)
    for (const queue of queues) await jobs.enqueue(hello, { n: 1 }, { queue })
    const child = await startChild()
    await child.call('open', files)
    for (const queue of queues) await child.call('enqueue', 2, { queue })
    await jobs.close()
    const [first, second] = await Promise.all(files.map((file) => rowsIn(file)))
    expect(first!.length).toBeGreaterThan(0)
    expect(second!.length).toBeGreaterThan(0)
    expect([...first!, ...second!].toSorted()).toEqual(queues.toSorted()) // none in both
  })

  it('enqueue many at once within one file, and refuse those of several before anything is stored', async () => {
    const { jobs } = await threeFiles()
    const same = [hello.with({ n: 1 }, { queue: 'a0' }), hello.with({ n: 2 }, { queue: 'b0' })]
    expect(await jobs.enqueueMany(same)).toHaveLength(2)
    const mixed = [hello.with({ n: 3 }, { queue: 'a0' }), hello.with({ n: 4 }, { queue: 'a1' })]
    await expect(jobs.enqueueMany(mixed)).rejects.toThrow(UsageError)
    await expect(jobs.enqueueMany(mixed)).rejects.toThrow(/a0, a1/)
    expect(await jobs.list()).toHaveLength(2)
  })

  it('share one trip per file among enqueues that are awaited together', async () => {
    const { jobs } = await threeFiles()
    const enqueued = await Promise.all(
      Array.from({ length: 60 }, (_, n) => jobs.enqueue(hello, { n }, { queue: queues[n % 12]! })),
    )
    const infos = await Promise.all(enqueued.map(({ id }) => jobs.get(id)))
    expect(infos.map((info) => info?.payload)).toEqual(Array.from({ length: 60 }, (_, n) => ({ n })))
    expect(infos.map((info) => info?.queue)).toEqual(Array.from({ length: 60 }, (_, n) => queues[n % 12]))
  })

  it('are worked by one worker, which is woken by each of them', async () => {
    const { jobs } = await threeFiles()
    const seen: string[] = []
    jobs.work([hello.handle((_, job) => void seen.push(job.queue))], { poll: '10m', concurrency: 3 })
    for (const queue of ['a0', 'a1', 'a2', 'b0']) {
      const completed = next(jobs, 'completed')
      await jobs.enqueue(hello, { n: 1 }, { queue })
      await completed
    }
    expect(seen).toEqual(['a0', 'a1', 'a2', 'b0'])
    const all = count(jobs, 'completed', 120)
    await Promise.all(queues.map((queue) => jobs.enqueueMany(tenOf(queue))))
    await all
    expect((await jobs.stats()).every(({ counts }) => counts.pending + counts.running === 0)).toBe(true)
  })

  it('wake a worker of another process, whichever file the job is in', async () => {
    const files = [newFile(), newFile()]
    const jobs = await openJobs(files)
    const child = await startChild()
    await child.call('open', files)
    await child.call('work', { poll: '600s' })
    for (const [n, queue] of queues.entries()) {
      const ran = child.told('ran')
      await jobs.enqueue(hello, { n: n + 1 }, { queue })
      expect(await ran).toBe(n + 1)
    }
  })

  it('are looked at and steered as one', async () => {
    const { jobs } = await threeFiles()
    const added = []
    for (const queue of queues) added.push(await jobs.enqueue(hello, { n: 1 }, { queue }))
    const ids = added.map(({ id }) => id)
    expect((await jobs.list({ order: 'oldest' })).map(({ id }) => id)).toEqual(ids)
    const paged: string[] = []
    for (let after: string | undefined; ;) {
      const page = await jobs.list({ limit: 5, order: 'oldest', ...(after === undefined ? {} : { after }) })
      paged.push(...page.map(({ id }) => id))
      if (page.length < 5) break
      after = page.at(-1)!.id
    }
    expect(paged).toEqual(ids)
    expect((await jobs.list({ queue: 'q4' })).map(({ id }) => id)).toEqual([ids[4]])
    expect((await jobs.stats()).map(({ queue, counts }) => [queue, counts.pending])).toEqual(
      queues.toSorted().map((queue) => [queue, 1]),
    )
    for (const id of ids.slice(0, 3)) expect(await jobs.cancel(id)).toBe('cancelled')
    expect(await jobs.cancel('nobody')).toBe('missing')
    await jobs.retry(ids[0]!)
    expect(await jobs.edit(ids[1 + 3]!, { priority: 7 })).toMatchObject({ id: ids[4], priority: 7 })
    expect(await jobs.delete(ids[11]!)).toBe(true)
    expect(await jobs.prune({ state: 'cancelled' })).toBe(2)
    expect(await jobs.list()).toHaveLength(9)
    await jobs.pause('q5')
    expect(await jobs.leaseMany({ limit: 20 })).toHaveLength(8)
    expect((await jobs.report()).map(({ name }) => name.slice(0, 2))).toEqual(
      expect.arrayContaining(['0:', '1:', '2:']),
    )
  })

  it('keep logs with their jobs', async () => {
    const { jobs } = await threeFiles()
    const completed = count(jobs, 'completed', 3)
    jobs.work([hello.handle((_, job) => job.log.info(`from ${job.queue}`))])
    const added = await Promise.all(['a0', 'a1', 'a2'].map((queue) => jobs.enqueue(hello, { n: 1 }, { queue })))
    await completed
    for (const [i, { id }] of added.entries())
      expect((await jobs.logs(id)).map(({ message }) => message)).toEqual([`from a${i}`])
    expect(await jobs.delete(added[0]!.id)).toBe(true)
    expect(await jobs.logs(added[0]!.id)).toEqual([])
  })

  it('keep unique and concurrency keys per queue, as one file does', async () => {
    const { jobs } = await threeFiles()
    for (const queue of ['a0', 'a1']) {
      const options = { queue, unique: 'k', concurrencyKey: 'c' }
      const first = await jobs.enqueue(hello, { n: 1 }, options)
      expect(await jobs.enqueue(hello, { n: 2 }, options)).toEqual({ id: first.id, outcome: 'kept' })
    }
    expect(await jobs.leaseMany({ limit: 5 })).toHaveLength(2)
  })

  it('take part in the caller’s transaction where the queue is in the caller’s file, and refuse it elsewhere', async () => {
    const { jobs, files } = await threeFiles()
    const db = openHandle(files[0]!)
    db.exec('begin')
    jobs.enqueue(hello, { n: 1 }, { tx: db, queue: 'a0' }) // '0' is 48, and 48 % 3 is 0
    expect(() => jobs.enqueue(hello, { n: 2 }, { tx: db, queue: 'a1' })).toThrow(UsageError)
    db.exec('commit')
    expect((await jobs.list()).map(({ queue }) => queue)).toEqual(['a0'])
    const held = await jobs.lease()
    db.exec('begin immediate')
    held!.complete(undefined, { tx: db })
    db.exec('commit')
    expect(await jobs.get(held!.id)).toMatchObject({ state: 'completed' })
  })

  it('refuse a rule that answers with no file of theirs', async () => {
    for (const wrong of [-1, 2, 0.5, Number.NaN]) {
      const jobs = await openJobs([newFile(), newFile()], { shardBy: () => wrong })
      await expect(jobs.enqueue(hello, { n: 1 })).rejects.toThrow(UsageError)
    }
  })

  it('take jobs of dead workers back in each of them', async () => {
    const files = [newFile(), newFile()]
    const jobs = await openJobs(files)
    for (const queue of queues) await jobs.enqueue(hello, { n: 1 }, { queue, backoff: '1ms' })
    const child = await startChild()
    await child.call('open', files)
    for (const _ of queues) expect(await child.call('take', '1s')).toBe(1)
    await child.end('SIGKILL')
    const completed = count(jobs, 'completed', queues.length)
    jobs.work([hello.handle(() => undefined)], { poll: '10m' })
    await completed
    expect((await jobs.list()).every(({ attempt, state }) => attempt === 2 && state === 'completed')).toBe(true)
  })
})

function tenOf(queue: string) {
  return Array.from({ length: 10 }, (_, n) => hello.with({ n }, { queue }))
}

describe('when one of several files is locked by others', () => {
  const byName = (queue: string): number => (queue === 'free' ? 0 : 1)

  it('goes on working the queues of the others, and what it has claimed there is run, once', async () => {
    const files = [newFile(), newFile()]
    const jobs = await openJobs(files, { shardBy: byName, busyTimeout: '100ms' })
    await jobs.enqueueMany(tenOf('locked'))
    await jobs.enqueueMany(tenOf('free'))
    const child = await startChild()
    await child.call('hold', files[1]!)
    const attempts: number[] = []
    const completed = count(jobs, 'completed', 10)
    jobs.work([hello.handle((_, job) => void attempts.push(job.attempt))], { concurrency: 2 })
    await completed
    expect(attempts).toEqual(Array.from({ length: 10 }, () => 1))
    await child.call('letGo')
  })

  it.each([1, 2])('tells a run’s end once, though another file refused to store its own (turn %i)', async (turns) => {
    const files = [newFile(), newFile()]
    const jobs = await openJobs(files, { shardBy: byName, busyTimeout: '50ms' })
    const told: string[] = []
    const both = Promise.withResolvers<void>()
    for (const type of ['completed', 'lost', 'retrying', 'failed'] as const)
      jobs.on(type, ({ job }) => {
        told.push(`${job.queue} ${type}`)
        if (told.length === 2) both.resolve()
      })
    for (let n = 0; n < turns; n++) await jobs.lease() // whose turn it is to be asked first
    const child = await startChild()
    const started = count(jobs, 'started', 2)
    const held = Promise.withResolvers<void>()
    await jobs.enqueue(hello, { n: 1 }, { queue: 'free' })
    await jobs.enqueue(hello, { n: 2 }, { queue: 'locked' })
    jobs.work([hello.handle(() => held.promise)], { concurrency: 2 })
    await started
    await child.call('hold', files[1]!)
    const trouble = next(jobs, 'error')
    held.resolve()
    await trouble
    await child.call('letGo')
    await both.promise
    expect(told.toSorted()).toEqual(['free completed', 'locked completed'])
  })
})
