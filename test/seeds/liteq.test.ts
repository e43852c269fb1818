import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it } from 'vitest'

import { task, UsageError } from '../../src/index.ts'
import { count, gate, heard, newFile, newFolder, openBench, openJobs, startChild, T } from './kit.ts'

/** liteq's jobs are text, and what they are is said by their queue. */
const work = task<string>({ name: 'work', queue: 'q', backoff: 0 })

describe('liteq: the queue', () => {
  it('L1: gives the payload back as it was enqueued, byte for byte', async () => {
    const { jobs } = await openBench()
    const raw = task<Uint8Array>({ name: 'raw', queue: 'q' })
    const text = '{"n": 1, "é": "𝄞\\u0000 <&>"}\n'
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n)
    await jobs.enqueue(work, text)
    await jobs.enqueue(raw, bytes)
    const [first, second] = await jobs.leaseMany({ limit: 2 })
    expect(first?.payload).toBe(text)
    expect(second?.payload).toEqual(bytes)
  })

  it('L2: takes the empty text as a queue’s name', async () => {
    const { jobs } = await openBench()
    const { id } = await jobs.enqueue(work, 'x', { queue: '' })
    await jobs.enqueue(work, 'y', { queue: 'other' })
    expect((await jobs.list({ queue: '' })).map((job) => job.id)).toEqual([id])
    expect(await jobs.lease({ queue: '' })).toMatchObject({ id, queue: '', payload: 'x' })
    expect(await jobs.lease({ queue: '' })).toBeUndefined()
  })

  it('L3: gives a job to one who asks, not to the next', async () => {
    const { jobs } = await openBench()
    await jobs.enqueue(work, 'x')
    expect(await jobs.lease()).toBeDefined()
    expect(await jobs.lease()).toBeUndefined()
  })

  it('L4: hides a delayed job until its time has come', async () => {
    const { jobs, clock } = await openBench()
    await jobs.enqueue(work, 'later', { runAt: T + 10_000 })
    await clock.advance(9_999)
    expect(await jobs.lease()).toBeUndefined()
    await clock.advance(1)
    expect((await jobs.lease())?.payload).toBe('later')
  })

  it('L5: gives at most as many as asked for, and the rest when there are no more', async () => {
    const { jobs } = await openBench()
    await jobs.enqueueMany(Array.from({ length: 10 }, (_, n) => work.with(`${n}`)))
    expect(await jobs.leaseMany({ limit: 2 })).toHaveLength(2)
    expect(await jobs.leaseMany({ limit: 6 })).toHaveLength(6)
    expect(await jobs.leaseMany({ limit: 5 })).toHaveLength(2)
    expect(await jobs.leaseMany({ limit: 5 })).toEqual([])
  })

  it('L6: gives one job where no number is asked for', async () => {
    const { jobs } = await openBench()
    await jobs.enqueueMany([work.with('1'), work.with('2')])
    expect((await jobs.lease())?.payload).toBe('1')
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 1, running: 1 })
  })

  it('L7: lets two workers empty two queues while they are being filled, each its own jobs, all of them, once', async () => {
    const jobs = await openJobs(newFile())
    const seen = new Map<string, string[]>([
      ['excellent', []],
      ['exquisite', []],
    ])
    const done = count(jobs, 'completed', 200)
    for (const queue of seen.keys())
      jobs.work([work.handle((payload, job) => void seen.get(job.queue)?.push(payload))], { queues: [queue] })
    for (let n = 0; n < 100; n++)
      await Promise.all([...seen.keys()].map((queue) => jobs.enqueue(work, `${queue} ${n}`, { queue })))
    await done
    for (const [queue, payloads] of seen)
      expect(payloads.toSorted()).toEqual(Array.from({ length: 100 }, (_, n) => `${queue} ${n}`).toSorted())
  })

  it('L8: ends when it is told to: a worker by stop, a loop over jobs by its signal', async () => {
    const { jobs, clock } = await openBench()
    const worker = jobs.work([work.handle(() => undefined)])
    await clock.during(worker.stop())
    await jobs.enqueue(work, 'x', { queue: 'after' })
    await clock.advance('1h')
    expect((await jobs.stats())[0]?.counts.pending).toBe(1)

    const abort = new AbortController()
    const taken: unknown[] = []
    const loop = (async () => {
      for await (const held of jobs.leases({ signal: abort.signal })) taken.push(held.payload)
    })()
    await clock.settle()
    abort.abort()
    await loop
    expect(taken).toEqual(['x'])
  })

  it('L9: offers a job with three attempts three times, counting, and no more', async () => {
    const { jobs, clock } = await openBench()
    await jobs.enqueue(work, 'x', { maxAttempts: 3 })
    for (const attempt of [1, 2, 3]) {
      const held = await jobs.lease()
      expect(held).toMatchObject({ attempt, maxAttempts: 3 })
      await held?.fail(new Error('no'))
    }
    await clock.advance('1d')
    expect(await jobs.lease()).toBeUndefined()
  })

  it('L10: shows each attempt the errors of those before it, oldest first', async () => {
    const { jobs, clock } = await openBench()
    await jobs.enqueue(work, 'x', { maxAttempts: 3 })
    const seen: (readonly string[])[] = []
    for (const message of ['e1', 'e2', 'e3']) {
      const held = await jobs.lease()
      seen.push(held!.errors.map((error) => error.message))
      await clock.advance(1)
      await held!.fail(new Error(message))
    }
    expect(seen).toEqual([[], ['e1'], ['e1', 'e2']])
    const [job] = await jobs.list()
    expect(job?.failures.map(({ attempt, at, name, message }) => ({ attempt, at, name, message }))).toEqual([
      { attempt: 1, at: T + 1, name: 'Error', message: 'e1' },
      { attempt: 2, at: T + 2, name: 'Error', message: 'e2' },
      { attempt: 3, at: T + 3, name: 'Error', message: 'e3' },
    ])
  })

  it('L11: has a job failed for good after its last attempt, and offers it never again', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, 'x', { maxAttempts: 1 })
    await (await jobs.lease())?.fail(new Error('no'))
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', finishedAt: T })
    await clock.advance('2d')
    expect(await jobs.lease()).toBeUndefined()
    expect(await jobs.get(id)).toMatchObject({ state: 'failed' })
  })

  it('L12: has a job failed whose lease ran out at its last attempt, whatever its holder still does', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, 'x', { maxAttempts: 1 })
    const late = await jobs.lease({ for: '2s' })
    jobs.work([work.handle(() => undefined)])
    await clock.advance('3s')
    expect(await jobs.get(id)).toMatchObject({
      state: 'failed',
      failures: [{ attempt: 1, name: 'LeaseExpiredError', message: expect.stringContaining('lease ran out') }],
    })
    expect(await late?.complete()).toBe(false)
    expect(await jobs.get(id)).toMatchObject({ state: 'failed' })
  })

  it('L13: puts a job whose lease ran out back while attempts are left, with one less', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, 'x', { maxAttempts: 2 })
    await jobs.lease({ for: '2s' })
    const rescued = heard(jobs, 'rescued')
    const gates = gate()
    jobs.work([work.handle(() => gates.opened)])
    await clock.advance('3s')
    expect(rescued).toMatchObject([{ state: 'pending', job: { id } }])
    expect(await jobs.get(id)).toMatchObject({ state: 'running', attempt: 2, maxAttempts: 2 })
    gates.open()
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 2 })
  })

  it('L24: gives five attempts where none are asked for, and refuses a job without any', async () => {
    const { jobs } = await openBench()
    const { id } = await jobs.enqueue(task({ name: 'plain' }))
    expect(await jobs.get(id)).toMatchObject({ maxAttempts: 5 })
    const once = await jobs.enqueue(work, 'x', { maxAttempts: 1 })
    expect(await jobs.get(once.id)).toMatchObject({ maxAttempts: 1 })
    for (const maxAttempts of [0, -1, 1.5])
      await expect(jobs.enqueue(work, 'x', { maxAttempts })).rejects.toThrow(UsageError)
  })

  it('L25: runs at most as many at a time as a worker is allowed, ten by default, and refuses none', async () => {
    for (const [options, most] of [
      [{ concurrency: 3 }, 3],
      [{}, 10],
    ] as const) {
      const { jobs, clock } = await openBench()
      const gates = gate()
      const worker = jobs.work([work.handle(() => gates.opened)], options)
      await jobs.enqueueMany(Array.from({ length: 25 }, (_, n) => work.with(`${n}`)))
      await clock.settle()
      expect(worker.running).toBe(most)
      expect((await jobs.stats())[0]?.counts).toMatchObject({ running: most, pending: 25 - most })
      gates.open()
    }
    const { jobs } = await openBench()
    expect(() => jobs.work([work.handle(() => undefined)], { concurrency: 0 })).toThrow(UsageError)
  })

  it('L26: looks again every so often, five seconds by default, should no bell ring', async () => {
    for (const [options, everyMs] of [
      [{ poll: '1s' }, 1_000],
      [{}, 5_000],
    ] as const) {
      const { jobs, clock } = await openBench()
      jobs.work([work.handle(() => undefined)], { ...options, listen: false })
      await clock.settle()
      await jobs.enqueue(work, 'x')
      await clock.advance(everyMs - 1)
      expect((await jobs.stats())[0]?.counts.pending).toBe(1)
      await clock.advance(1)
      expect((await jobs.stats())[0]?.counts.pending).toBe(0)
    }
  })

  it('L27: takes nothing back where every worker was told not to', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, 'x')
    await jobs.lease({ for: '2s' })
    jobs.work([work.handle(() => undefined)], { upkeep: false })
    await clock.advance('1d')
    expect(await jobs.get(id)).toMatchObject({ state: 'running', attempt: 1 })
  })

  it('L28: keeps the text of an error as it was thrown', async () => {
    const { jobs, clock } = await openBench()
    const text = 'exit status 1: "no such <file>"\n\té 𝄞'
    const { id } = await jobs.enqueue(work, 'x', { maxAttempts: 1 })
    jobs.work([
      work.handle(() => {
        throw new Error(text)
      }),
    ])
    await clock.settle()
    expect((await jobs.get(id))?.failures.map(({ message }) => message)).toEqual([text])
  })

  it('L29: has a job completed, with the time and without a lease, when its handler returns', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, 'x')
    jobs.work([work.handle(() => undefined)])
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', finishedAt: T, leaseUntil: undefined, attempt: 1 })
  })

  it('L30: notes when a job was made, started, failed and finished', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, 'x')
    expect(await jobs.get(id)).toMatchObject({ createdAt: T, runAt: T, startedAt: undefined, finishedAt: undefined })
    await clock.advance(1_000)
    const first = await jobs.lease()
    expect(await jobs.get(id)).toMatchObject({ createdAt: T, startedAt: T + 1_000, finishedAt: undefined })
    await clock.advance(1_000)
    await first?.fail(new Error('no'))
    expect(await jobs.get(id)).toMatchObject({ createdAt: T, failures: [{ at: T + 2_000 }], runAt: T + 2_000 })
    await clock.advance(1_000)
    const second = await jobs.lease()
    await clock.advance(1_000)
    await second?.complete()
    expect(await jobs.get(id)).toMatchObject({ createdAt: T, startedAt: T + 3_000, finishedAt: T + 4_000 })
  })

  it('L31: waits when stopping for everything that was begun', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    const worker = jobs.work([work.handle(() => gates.opened)], { concurrency: 4 })
    await jobs.enqueueMany(Array.from({ length: 6 }, (_, n) => work.with(`${n}`)))
    await clock.settle()
    let stopped = false
    const stopping = worker.stop().then((graceful) => {
      stopped = true
      return graceful
    })
    await clock.advance('10s')
    expect(stopped).toBe(false)
    gates.open()
    expect(await clock.during(stopping)).toBe(true)
    expect((await jobs.stats())[0]?.counts).toEqual({ pending: 2, running: 0, completed: 4, failed: 0, cancelled: 0 })
  })

  it('L32: makes its tables and indexes, in WAL mode, and is content with those it finds', async () => {
    const file = newFile()
    await (await openJobs(file)).close()
    await (await openJobs(file)).close()
    const db = new DatabaseSync(file)
    const made = db.prepare('select type, count(*) as n from sqlite_schema group by type').all()
    expect(Object.fromEntries(made.map((row) => [row['type'], Number(row['n']) > 3]))).toMatchObject({
      table: true,
      index: true,
    })
    expect(db.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' })
    db.close()
    expect(readFileSync(file).subarray(0, 15).toString()).toBe('SQLite format 3')
  })

  it('L33: keeps what was enqueued when the process is killed', async () => {
    const file = newFile()
    const child = await startChild()
    await child.call('open', file)
    const id = await child.call('enqueue', 7)
    await child.end('SIGKILL')
    const jobs = await openJobs(file)
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', payload: { n: 7 } })
  })

  it('L34: gives each job to one of many processes on the file', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const hello = task<{ n: number }>({ name: 'hello' })
    const added = await jobs.enqueueMany(Array.from({ length: 400 }, (_, n) => hello.with({ n })))
    const children = await Promise.all(Array.from({ length: 4 }, () => startChild()))
    await Promise.all(children.map((child) => child.call('open', file)))
    const drained = await Promise.all(children.map((child) => child.call('drain')))
    expect(drained.flat().toSorted()).toEqual(added.map(({ id }) => id).toSorted())
  })

  it('L35: spreads queues over several files', async () => {
    const files = [`${newFolder()}/a.db`, `${newFolder()}/b.db`]
    const jobs = await openJobs(files, { shardBy: (queue) => (queue < 'm' ? 0 : 1) })
    await jobs.enqueue(work, 'x', { queue: 'early' })
    await jobs.enqueue(work, 'y', { queue: 'zoo' })
    expect((await jobs.stats()).map(({ queue }) => queue)).toEqual(['early', 'zoo'])
    await jobs.close()
    for (const [i, file] of files.entries()) {
      const one = await openJobs(file)
      expect((await one.list()).map(({ queue }) => queue)).toEqual([['early'], ['zoo']][i])
    }
  })
})
