import { describe, expect, it, onTestFinished } from 'vitest'

import {
  CancelledError,
  open,
  StoreError,
  task,
  TimeoutError,
  UnrecoverableError,
  UsageError,
} from '../../src/index.ts'
import { connect, count, gate, heard, newProxy, next, openQue, T, whileClaiming } from './que-kit.ts'

/** Where Ruby's Que fails: section 3.3 of the reference. What is of its own design alone has an answer of ours. */
const mine = task<number | undefined>({ name: 'MyJob', backoff: '1s' })

const fail = (): never => {
  throw new Error('no')
}

const many = (howMany: number) => Array.from({ length: howMany }, (_, n) => mine.with(n))

describe('what ends Ruby’s Que, or cannot be ended', () => {
  it('R1: outlives the loss of its listening connection, and hears again what others enqueue', async () => {
    const { jobs, another, clock, outside, schema } = await openQue()
    const elsewhere = await another()
    jobs.work([mine.handle((n) => n)], { poll: '10m' })
    await clock.settle()
    await outside.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [schema])
    for (const n of [1, 2]) {
      const completed = next(jobs, 'completed')
      const { id } = await elsewhere.enqueue(mine, n)
      expect(await completed).toMatchObject({ job: { id } })
    }
    expect(clock.now()).toBe(T)
  })

  it('R2: tells a running handler that its job was cancelled elsewhere, or that its time is over', async () => {
    const { jobs, another, clock } = await openQue()
    const elsewhere = await another()
    const started = count(jobs, 'started', 2)
    const reasons: unknown[] = []
    jobs.work([
      mine.handle((_, job) => {
        const { promise, reject } = Promise.withResolvers<never>()
        job.signal.addEventListener('abort', () => {
          reasons.push(job.signal.reason)
          reject(job.signal.reason as Error)
        })
        return promise
      }),
    ])
    const unwanted = await jobs.enqueue(mine)
    const slow = await jobs.enqueue(mine, 1, { timeout: '10s', maxAttempts: 1 })
    await started
    const cancelled = next(jobs, 'cancelled')
    expect(await elsewhere.cancel(unwanted.id, 'not wanted')).toBe('requested')
    expect(await cancelled).toMatchObject({ job: { id: unwanted.id }, reason: 'not wanted' })
    await clock.advance('10s')
    expect(reasons).toEqual([expect.any(CancelledError), expect.any(TimeoutError)])
    expect(await jobs.get(slow.id)).toMatchObject({ state: 'failed', failures: [{ name: 'TimeoutError' }] })
  })
})

describe('what Ruby’s Que does to its database', () => {
  it('R3: notifies once for a thousand jobs that come together, and not at all where that is not wanted', async () => {
    const { jobs, another, url, schema } = await openQue()
    const silent = await another({ notify: false })
    const ear = await connect(url)
    const heardWords: (string | undefined)[] = []
    const over = gate()
    ear.on('notification', ({ payload }) => (payload === 'over' ? over.open() : heardWords.push(payload)))
    await ear.query(`listen "jobferry_${schema}"`)
    await jobs.enqueueMany(many(1_000))
    await silent.enqueueMany(many(1_000))
    const tx = await connect(url)
    await tx.query('begin')
    await silent.enqueueMany(many(10), { tx })
    const held = (await silent.lease())!
    await held.complete(undefined, { tx })
    await tx.query('commit')
    await ear.query(`select pg_notify('jobferry_${schema}', 'over')`)
    await over.opened
    expect(heardWords).toEqual([expect.stringMatching(/^jobs /)])
  })

  it('R4: lives in any schema, whatever the search path, by names that are quoted', async () => {
    const { url, outside, schema: given } = await openQue()
    const schema = `Mixed_${given}`
    onTestFinished(async () => void (await outside.query(`drop schema if exists "${schema}" cascade`)))
    const elsewhere = new URL(url)
    elsewhere.searchParams.set('options', '-c search_path=pg_catalog')
    const jobs = await open(elsewhere.href, { schema, logger: false })
    onTestFinished(() => jobs.close({ grace: 0 }))
    const completed = next(jobs, 'completed')
    jobs.work([mine.handle((n) => n)])
    const { id } = await jobs.enqueue(mine, 7)
    await completed
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 7 })
  })

  it('R5: refuses tables of a newer version loudly, and leaves no job to itself in silence', async () => {
    const { jobs, url, schema, outside } = await openQue()
    const { id } = await jobs.enqueue(mine)
    await outside.query(`update ${schema}.meta set value = '999' where key = 'schema'`)
    const opening = open(url, { schema, logger: false })
    await expect(opening).rejects.toThrow(StoreError)
    await expect(opening).rejects.toThrow('Update jobferry')
    expect(await jobs.get(id)).toMatchObject({ state: 'pending' })
  })

  it('R12: keeps installations apart that share a database', async () => {
    const [one, two] = [await openQue(), await openQue()]
    const heardByTwo = heard(two.jobs, 'started')
    two.jobs.work([mine.handle(() => undefined)])
    await two.clock.settle()
    const { id } = await one.jobs.enqueue(mine)
    await two.clock.advance('1m')
    expect(heardByTwo).toEqual([])
    expect(await two.jobs.get(id)).toBeUndefined()
    expect(await one.jobs.lease()).toMatchObject({ id })
  })
})

describe('what Ruby’s Que does not do, or does too early', () => {
  it('R6: adds one of two jobs with one key that are enqueued at once, and tries a failed job again', async () => {
    const { jobs, another } = await openQue()
    const elsewhere = await another()
    const both = await Promise.all([jobs, elsewhere].map((one) => one.enqueue(mine, 1, { unique: 'once' })))
    expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['added', 'kept'])
    expect(both[0]?.id).toBe(both[1]?.id)
    await (await jobs.lease())?.fail(new UnrecoverableError('no'))
    const { id } = both[0]!
    await elsewhere.retry(id)
    expect(await jobs.lease()).toMatchObject({ id, attempt: 2, errors: [{ attempt: 1 }] })
  })

  it('R7: does not take a job early whose failure and whose wait are stored while a claim is under way', async () => {
    const bench = await openQue()
    const { jobs, clock } = bench
    const { id } = await jobs.enqueue(mine, 1)
    const held = (await jobs.lease())!
    const early = await whileClaiming(
      bench,
      () => jobs.lease(),
      () => held.fail(new Error('no')),
    )
    expect(early).toBeUndefined()
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 1, runAt: T + 1_000 })
    await clock.advance('1s')
    expect(await jobs.lease()).toMatchObject({ id, attempt: 2 })
  })

  it('R8: looks into all queues at once, and lets no long queue starve the others', async () => {
    let claims = 0
    const { jobs, clock } = await openQue({
      around: ({ verb }, go) => {
        if (verb === 'claim') claims++
        return go()
      },
    })
    await jobs.enqueueMany(Array.from({ length: 20 }, (_, n) => mine.with(n, { queue: 'long' })))
    await clock.advance(1)
    await jobs.enqueueMany(['b', 'a', 'c'].map((queue) => mine.with(0, { queue })))
    await jobs.configure('long', { concurrency: 2 })
    const end = gate()
    jobs.work([mine.handle(() => end.opened)], { queues: ['long', 'a', 'b', 'c'], concurrency: 5, listen: false })
    await clock.settle()
    const running = await jobs.list({ state: 'running' })
    expect(running.map(({ queue }) => queue).toSorted()).toEqual(['a', 'b', 'c', 'long', 'long'])
    expect(claims).toBe(1)
    end.open()
  })

  it('R9: keeps names as long as it says, and refuses longer ones before anything is sent', async () => {
    const { jobs } = await openQue()
    const name = 'é'.repeat(255)
    const { id } = await jobs.enqueue(task({ name }), undefined, { queue: name, unique: name, concurrencyKey: name })
    expect(await jobs.lease({ queue: name, tasks: [name] })).toMatchObject({ id, task: name, queue: name })
    expect(() => task({ name: `${name}e` })).toThrow(UsageError)
    for (const option of ['queue', 'unique', 'concurrencyKey'])
      await expect(jobs.enqueue(mine, 1, { [option]: 'x'.repeat(2_000) })).rejects.toThrow(UsageError)
  })

  it('R10: rings for every worker, so that one that has died swallows nothing', async () => {
    const bench = await openQue()
    const { jobs, another, clock, url } = bench
    const proxy = await newProxy(url)
    const dead = await another({ url: proxy.url })
    onTestFinished(() => proxy.pass())
    dead.work([mine.handle(fail)], { poll: '10m' })
    const alive = await another()
    alive.work([mine.handle((n) => n)], { poll: '10m' })
    await clock.settle()
    await proxy.refuse()
    await proxy.cut()
    const all = count(alive, 'completed', 10)
    for (const n of Array.from({ length: 10 }).keys()) await jobs.enqueue(mine, n)
    await all
    expect(clock.now()).toBe(T)
    expect(await bench.column(`select id from @.job where state <> 2`)).toEqual([])
  })

  it('R11: keeps the last failure of a job that has used up its attempts, as all before it', async () => {
    const { jobs, clock } = await openQue()
    jobs.work([
      mine.handle((_, job) => {
        throw new Error(`attempt ${job.attempt}`)
      }),
    ])
    const { id } = await jobs.enqueue(mine, 1, { maxAttempts: 3 })
    await clock.advance('1m')
    expect(await jobs.get(id)).toMatchObject({
      state: 'failed',
      failures: [{ message: 'attempt 1' }, { message: 'attempt 2' }, { message: 'attempt 3' }],
    })
  })
})
