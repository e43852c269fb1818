import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'

import { type Logger, open, type StandardSchema, task, UsageError } from '../../src/index.ts'
import { gate, heard, newFile, openBench, openJobs, openThrough } from './kit.ts'

const work = task<{ n: number }>({ name: 'work' })

/** What is printed to the console while the test runs. */
function printed(): readonly unknown[][] {
  const lines: unknown[][] = []
  const methods = (['debug', 'info', 'log', 'warn', 'error'] as const).map((method) =>
    vi.spyOn(console, method).mockImplementation((...line) => void lines.push([method, ...line])),
  )
  onTestFinished(() => {
    for (const method of methods) method.mockRestore()
  })
  return lines
}

describe('backlite: the client', () => {
  it('B1: takes its logger, its workers, its lease and its upkeep from its options', async () => {
    const lines: string[] = []
    const note = (message: string): void => void lines.push(message)
    const logger: Logger = { debug: note, info: note, warn: note, error: note }
    const { jobs, clock } = await openBench({ logger })
    const gates = gate()
    const worker = jobs.work([work.handle(() => gates.opened)], { concurrency: 2, lease: '10s', upkeep: false })
    await jobs.enqueueMany([1, 2, 3].map((n) => work.with({ n })))
    await clock.settle()
    expect(worker.running).toBe(2)
    const [running] = await jobs.list({ state: 'running' })
    expect(running?.leaseUntil).toBe(clock.now() + 10_000)
    gates.open()
    await clock.settle()
    expect(lines.filter((line) => line === 'job completed')).toHaveLength(3)
  })

  it('B2: prints trouble alone where there is no logger, and nothing at all with `logger: false`', async () => {
    const lines = printed()
    for (const options of [{}, { logger: false } as const]) {
      const file = newFile()
      const jobs = await open(`sqlite:${file}`, options)
      const done = new Promise((resolve) => jobs.on('failed', resolve))
      jobs.on('failed', () => {
        throw new Error('a listener of the user’s')
      })
      jobs.work([
        work.handle(() => {
          throw new Error('no')
        }),
      ])
      await jobs.enqueue(work, { n: 1 }, { maxAttempts: 1 })
      await done
      await jobs.close()
    }
    expect(lines).toMatchObject([
      ['error', expect.stringContaining('listener'), { message: 'a listener of the user’s' }],
    ])
  })

  it('B3: refuses to open nothing', async () => {
    for (const source of [undefined, null, '', {}, []] as never[])
      await expect(open(source), String(source)).rejects.toThrow(UsageError)
  })

  it('B4: refuses a worker without hands', async () => {
    const { jobs } = await openBench()
    for (const concurrency of [0, -1, 0.5, Number.NaN, '4'] as never[])
      expect(() => jobs.work([work.handle(() => 1)], { concurrency }), String(concurrency)).toThrow(UsageError)
  })

  it('B5: refuses a lease of no length', async () => {
    const { jobs } = await openBench()
    for (const lease of [0, -1, '0s', '999ms', 'long'] as never[])
      expect(() => jobs.work([work.handle(() => 1)], { lease }), String(lease)).toThrow(UsageError)
    await expect(jobs.lease({ for: 0 })).rejects.toThrow(UsageError)
  })

  it('B6: refuses a worker with two tasks of one name', async () => {
    const { jobs } = await openBench()
    const twice = [work.handle(() => 1), task({ name: 'work', handler: () => 2 })]
    expect(() => jobs.work(twice)).toThrow(/"work" is given twice/)
  })

  it('B7: refuses a task without a name', () => {
    for (const name of ['', undefined, 7, 'a\u0000b', 'x'.repeat(256)] as never[])
      expect(() => task({ name }), String(name)).toThrow(UsageError)
  })

  it('B8: makes its tables as often as it is asked to, once', async () => {
    const file = newFile()
    for (let n = 0; n < 3; n++) {
      const jobs = await openJobs(file)
      await jobs.enqueue(work, { n })
      expect(await jobs.list()).toHaveLength(n + 1)
    }
  })

  it('B9: takes jobs of different tasks in one call', async () => {
    const { jobs } = await openBench()
    const other = task<string>({ name: 'other', queue: 'elsewhere' })
    await jobs.enqueueMany([work.with({ n: 1 }), other.with('two')])
    expect((await jobs.list({ order: 'oldest' })).map((job) => [job.task, job.queue, job.payload])).toEqual([
      ['work', 'default', { n: 1 }],
      ['other', 'elsewhere', 'two'],
    ])
  })

  it('B10: starts working at once', async () => {
    const { jobs, clock } = await openBench()
    await jobs.enqueue(work, { n: 1 })
    const worker = jobs.work([work.handle(() => 1)])
    expect(worker.state).toBe('working')
    await clock.settle()
    expect((await jobs.stats())[0]?.counts.completed).toBe(1)
  })

  it('B11: says on stopping whether everything came to its end by itself', async () => {
    const { jobs, clock } = await openBench()
    const endless = task({ name: 'endless', handler: () => new Promise(() => undefined) })
    const idle = jobs.work([work.handle(() => 1)])
    expect(await clock.during(idle.stop())).toBe(true)
    const busy = jobs.work([endless])
    await jobs.enqueue(endless)
    await clock.settle()
    expect(await clock.during(busy.stop({ grace: '1s' }))).toBe(false)
  })

  it('B12: needs no notifying: what is enqueued is found at once, though nothing is polled', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(() => 1)], { poll: '10m' })
    await clock.settle()
    await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    expect((await jobs.stats())[0]?.counts.completed).toBe(1)
  })

  it('B13: hands the queue to the handler with the job', async () => {
    const { jobs, clock } = await openBench()
    const seen: unknown[] = []
    jobs.work([work.handle((_, job) => void seen.push(job.jobs === jobs))])
    await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    expect(seen).toEqual([true])
  })

  it('B14: shows what has become of a job: none, waiting, running, completed or failed', async () => {
    const { jobs } = await openBench()
    const state = async (id: string): Promise<string | undefined> => (await jobs.get(id))?.state
    expect(await state('nobody')).toBeUndefined()
    const { id } = await jobs.enqueue(work, { n: 1 })
    expect(await state(id)).toBe('pending')
    const held = await jobs.lease()
    expect(await state(id)).toBe('running')
    await held?.complete()
    expect(await state(id)).toBe('completed')
    const failing = await jobs.enqueue(work, { n: 2 }, { maxAttempts: 1 })
    await (await jobs.lease())?.fail(new Error('no'))
    expect(await state(failing.id)).toBe('failed')
  })

  it('B15: knows nothing any more of a job that was not to be kept', async () => {
    const { jobs } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 }, { retention: { completed: false } })
    await (await jobs.lease())?.complete()
    expect(await jobs.get(id)).toBeUndefined()
  })

  it('B16: fails a job whose payload is not one of its task, and says what is wrong with it', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 }, { maxAttempts: 1 }) // by an older program, say
    const stricter = task({ name: 'work', payload: z.object({ n: z.string() }) })
    let runs = 0
    jobs.work([stricter.handle(() => runs++)])
    await clock.settle()
    expect(runs).toBe(0)
    expect(await jobs.get(id)).toMatchObject({
      state: 'failed',
      failures: [{ name: 'PayloadError', message: expect.stringMatching(/task "work": n: .*string/) }],
    })
  })

  it('B17: leaves jobs alone whose task it does not know, and works the others', async () => {
    const { jobs, clock } = await openBench()
    const errors = heard(jobs, 'error')
    const unknown = await jobs.enqueue(task({ name: 'unknown' }), undefined)
    const known = await jobs.enqueue(work, { n: 1 })
    jobs.work([work.handle(() => 1)])
    await clock.advance('1d')
    expect(await jobs.get(unknown.id)).toMatchObject({ state: 'pending', attempt: 0, failures: [] })
    expect(await jobs.get(known.id)).toBeUndefined() // completed, and pruned in the meantime
    expect(errors).toEqual([])
  })

  it('B18: takes codings, validators and stores of one’s own', async () => {
    const csv: StandardSchema<readonly string[], readonly string[]> = {
      '~standard': {
        version: 1,
        vendor: 'mine',
        validate: (value) =>
          Array.isArray(value) ? { value: value.map(String) } : { issues: [{ message: 'Expected a list', path: [] }] },
      },
    }
    const listed = task({ name: 'listed', payload: csv })
    const verbs: string[] = []
    const { jobs, clock } = await openThrough(({ verb }, next) => {
      verbs.push(verb)
      return next()
    })
    const seen: unknown[] = []
    jobs.work([listed.handle((list) => void seen.push(list))])
    await jobs.enqueue(listed, ['a', 'b'])
    await expect(jobs.enqueue(listed, 'a,b' as never)).rejects.toThrow('Expected a list')
    await clock.settle()
    expect(seen).toEqual([['a', 'b']])
    expect(verbs).toEqual(expect.arrayContaining(['migrate', 'insert', 'claim']))
  })
})
