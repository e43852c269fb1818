import { describe, expect, it } from 'vitest'

import { task } from '../../src/index.ts'
import { newFile, next, openHandle, openJobs, startChild } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello' })

describe('several processes on one file', () => {
  it('wakes a worker of another process by itself, long before its poll', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const child = await startChild()
    await child.call('open', file)
    await child.call('work', { poll: '600s' })
    for (let n = 1; n <= 20; n++) {
      const ran = child.told('ran')
      await jobs.enqueue(hello, { n })
      expect(await ran).toBe(n)
    }
  })

  it('wakes one that waits by hand, and one that waits for the end of a job', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const child = await startChild()
    await child.call('open', file)
    const taking = jobs.lease({ wait: '10m' })
    const id = await child.call('enqueue', 1)
    const held = await taking
    expect(held?.id).toBe(id)
    const waiting = child.call('wait', id)
    await held?.complete({ ok: true })
    expect(await waiting).toMatchObject({ state: 'completed', result: { ok: true } })
  })

  it('wakes a worker when another process resumes its queue', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const child = await startChild()
    await child.call('open', file)
    await child.call('work', { poll: '600s' })
    await jobs.pause('default')
    await jobs.enqueue(hello, { n: 5 })
    const ran = child.told('ran')
    await jobs.resume('default')
    expect(await ran).toBe(5)
  })

  it('tells a running handler of another process that its job was cancelled', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const child = await startChild()
    await child.call('open', file)
    const started = next(jobs, 'started')
    jobs.work(
      [
        hello.handle(
          (_, job) =>
            new Promise((_resolve, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
        ),
      ],
      { poll: '10m', lease: '10m' },
    )
    const { id } = await jobs.enqueue(hello, { n: 1 })
    await started
    const cancelled = next(jobs, 'cancelled')
    expect(await child.call('cancel', id)).toBe('requested')
    expect((await cancelled).job.id).toBe(id)
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled', cancel: 'by another process' })
  })

  it('goes on being woken after the WAL was emptied and begun anew', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const child = await startChild()
    await child.call('open', file)
    await child.call('work', { poll: '600s' })
    const db = openHandle(file)
    for (let n = 1; n <= 3; n++) {
      db.exec('pragma wal_checkpoint(truncate)')
      const ran = child.told('ran')
      await jobs.enqueue(hello, { n })
      expect(await ran).toBe(n)
    }
  })

  it('takes a job of a killed process back as soon as its lease ends', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    await jobs.enqueue(hello, { n: 1 }, { backoff: '1ms' })
    const child = await startChild()
    await child.call('open', file)
    expect(await child.call('take', '1s')).toBe(1)
    await child.end('SIGKILL')
    const completed = next(jobs, 'completed')
    jobs.work([hello.handle(() => undefined)], { poll: '10m' })
    expect((await completed).job.attempt).toBe(2)
  })

  it('lets eight processes do all at once without one busy error, and loses and doubles nothing', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const children = await Promise.all(Array.from({ length: 8 }, () => startChild()))
    await Promise.all(children.map((child) => child.call('open', file)))
    const results = await Promise.all(children.map((child, i) => child.call('mix', i + 1, 300)))
    const added = results.reduce((sum, one) => sum + one.added, 0)
    const ended = results.reduce((sum, one) => sum + one.ended, 0)

    const stats = await jobs.stats()
    const total = stats.map(({ counts }) => counts).reduce((sum, one) => sumOf(sum, one))
    expect(Object.values(total).reduce((sum, one) => sum + one, 0)).toBe(added)
    expect(total.completed + total.cancelled).toBe(ended)
    expect(total).toEqual(await counted())

    const drained = await Promise.all(children.map((child) => child.call('drain')))
    const ids = drained.flat()
    expect(new Set(ids).size).toBe(ids.length)
    expect((await jobs.report()).filter(({ level }) => level !== 'ok')).toEqual([])

    async function counted(): Promise<typeof total> {
      const counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
      for (let after: string | undefined; ;) {
        const page = await jobs.list({ limit: 1_000, ...(after === undefined ? {} : { after }) })
        for (const { state } of page) counts[state]++
        after = page.at(-1)?.id
        if (page.length < 1_000) return counts
      }
    }
  })
})

describe('while another process holds the file’s lock', () => {
  it('keeps the event loop free, and the call succeeds once the lock is gone', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    await jobs.enqueue(hello, { n: 0 })
    const child = await startChild()
    await child.call('hold', file, 1_500)
    const longestBlock = watchedLoop()
    const answers = await Promise.all([
      jobs.enqueue(hello, { n: 1 }),
      jobs.enqueue(hello, { n: 2 }, { unique: 'k' }),
      jobs.lease(),
      jobs.pause('other'),
      jobs.stats(),
    ])
    expect(answers[0].outcome).toBe('added')
    expect(answers[2]?.payload).toEqual({ n: 0 })
    expect(longestBlock()).toBeLessThan(400)
    expect((await jobs.list()).length).toBe(3)
  })

  it('keeps the event loop free however many calls wait', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const added = await jobs.enqueueMany(Array.from({ length: 50 }, (_, n) => hello.with({ n })))
    const child = await startChild()
    await child.call('hold', file, 1_000)
    const longestBlock = watchedLoop()
    const answers = await Promise.all(added.map(({ id }) => jobs.cancel(id)))
    expect(new Set(answers)).toEqual(new Set(['cancelled']))
    expect(longestBlock()).toBeLessThan(400)
  })

  it('goes on reading', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    const { id } = await jobs.enqueue(hello, { n: 0 })
    const child = await startChild()
    await child.call('hold', file)
    expect(await jobs.get(id)).toMatchObject({ state: 'pending' })
    expect(await jobs.list({ state: 'pending' })).toHaveLength(1)
    expect((await jobs.stats())[0]?.counts.pending).toBe(1)
    expect((await jobs.report()).length).toBeGreaterThan(0)
    await child.call('letGo')
  })

  it('gives up after the busy timeout with an error that says trying again may help, and it does', async () => {
    const file = newFile()
    const jobs = await openJobs(file, { busyTimeout: '100ms' })
    await jobs.enqueue(hello, { n: 0 })
    const child = await startChild()
    await child.call('hold', file)
    const calls = [
      jobs.enqueue(hello, { n: 1 }),
      jobs.enqueueMany([hello.with({ n: 2 }), hello.with({ n: 3 })]),
      jobs.lease(),
      jobs.pause('default'),
    ]
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'StoreError', retryable: true } })
    }
    await child.call('letGo')
    expect(await jobs.list()).toHaveLength(1)
    await jobs.enqueueMany([hello.with({ n: 2 }), hello.with({ n: 3 })])
    expect((await jobs.stats())[0]).toMatchObject({ paused: false, counts: { pending: 3 } })
  })

  it('keeps a worker alive that cannot claim: it tells of the trouble, and works on afterwards', async () => {
    const file = newFile()
    const jobs = await openJobs(file, { busyTimeout: '50ms' })
    await jobs.enqueue(hello, { n: 1 })
    const child = await startChild()
    await child.call('hold', file)
    const trouble = next(jobs, 'error')
    const completed = next(jobs, 'completed')
    jobs.work([hello.handle(() => undefined)])
    expect(await trouble).toMatchObject({ during: 'claiming and settling', error: { retryable: true } })
    await child.call('letGo')
    await completed
  })

  it('stores the end of a run that fell into the trouble, once', async () => {
    const file = newFile()
    const jobs = await openJobs(file, { busyTimeout: '50ms' })
    const child = await startChild()
    let runs = 0
    const trouble = next(jobs, 'error')
    const completed = next(jobs, 'completed')
    jobs.work([
      hello.handle(async () => {
        runs++
        await child.call('hold', file)
      }),
    ])
    const { id } = await jobs.enqueue(hello, { n: 1 })
    await trouble
    await child.call('letGo')
    await completed
    expect(runs).toBe(1)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1 })
  })

  it('waits for a file that another process is just making', async () => {
    const file = newFile()
    const child = await startChild()
    await child.call('makeSlowly', file, 300)
    const jobs = await openJobs(file)
    expect((await jobs.enqueue(hello, { n: 1 })).outcome).toBe('added')
  })
})

/** Looks every few milliseconds whether the event loop is free; answers the longest time, in milliseconds, that it was not. */
function watchedLoop(): () => number {
  let [last, longest] = [performance.now(), 0]
  const look = (): void => {
    const now = performance.now()
    ;[last, longest] = [now, Math.max(longest, now - last)]
  }
  const timer = setInterval(look, 2)
  return () => {
    clearInterval(timer)
    look() // nothing may have come through at all
    return longest
  }
}

function sumOf<T extends Record<string, number>>(a: T, b: T): T {
  return Object.fromEntries(Object.entries(a).map(([key, value]) => [key, value + (b[key] ?? 0)])) as T
}
