import { describe, expect, it } from 'vitest'

import { task, UsageError } from '../../src/index.ts'
import { connect, openQue, T } from './que-kit.ts'

/** que-go's tests use one type of jobs. */
const mine = task<object | undefined>({ name: 'MyJob' })

describe('que-go: enqueueing', () => {
  it('Q1: stores a job of which only the task is known, due now, never run, under an id of its own', async () => {
    const { jobs } = await openQue()
    const { id } = await jobs.enqueue(mine)
    expect(id).toMatch(/^.{10,}$/)
    expect(await jobs.get(id)).toMatchObject({
      task: 'MyJob',
      queue: 'default',
      priority: 0,
      runAt: T,
      payload: undefined,
      attempt: 0,
      failures: [],
      state: 'pending',
    })
  })

  it('Q2: keeps the priority as given, and takes the lower first', async () => {
    const { jobs } = await openQue()
    const lesser = await jobs.enqueue(mine, undefined, { priority: 99 })
    const urgent = await jobs.enqueue(mine, undefined, { priority: -99 })
    const usual = await jobs.enqueue(mine)
    expect(await jobs.get(lesser.id)).toMatchObject({ priority: 99 })
    const taken = await jobs.leaseMany({ limit: 3 })
    expect(taken.map(({ id }) => id)).toEqual([urgent, usual, lesser].map(({ id }) => id))
  })

  it('Q3: keeps the time of a run to the millisecond, be it a Date or a number', async () => {
    const { jobs, column } = await openQue()
    const at = new Date('2031-07-08T09:10:11.123Z')
    const added = await jobs.enqueueMany([
      mine.with(undefined, { runAt: at }),
      mine.with(undefined, { runAt: at.getTime() }),
    ])
    for (const { id } of added) expect((await jobs.get(id))?.runAt).toBe(at.getTime())
    expect(await column('select run_at from @.job')).toEqual([String(at.getTime()), String(at.getTime())])
  })

  it('Q4: gives the payload back as it was: objects with their order of keys, text and bytes to the byte', async () => {
    const { jobs, column } = await openQue()
    const text = task<string>({ name: 'text' })
    const bytes = task<Uint8Array>({ name: 'bytes' })
    const args = { b: 0, a: 'a string', 1.5: 12_345_678.901_234, nul: '\0', half: '\ud800', '𝄞': [null, [], {}] }
    const raw = '{"arg1":0, "arg2":"a string", "arg1":1e400}'
    const all = Uint8Array.from({ length: 256 }, (_, n) => n)
    await jobs.enqueueMany([mine.with(args), text.with(raw), bytes.with(all)])
    const [first, second, third] = (await jobs.leaseMany({ limit: 3 })).map(({ payload }) => payload)
    expect(first).toEqual(args)
    expect(Object.keys(first as object)).toEqual(Object.keys(args))
    expect(second).toBe(raw)
    expect(third).toEqual(all)
    expect(await column(`select payload from @.job where payload like '{%'`)).toEqual([JSON.stringify(args)])
  })

  it('Q5: puts a job into the queue that is named', async () => {
    const { jobs } = await openQue()
    await jobs.enqueue(mine, undefined, { queue: 'special-work-queue' })
    expect((await jobs.list({ queue: 'special-work-queue' })).map(({ task: name }) => name)).toEqual(['MyJob'])
    expect((await jobs.stats()).map(({ queue }) => queue)).toEqual(['special-work-queue'])
  })

  it('Q6: refuses a task without a name where it is declared, before anything can be stored', async () => {
    const { jobs } = await openQue()
    expect(() => task({ name: '' })).toThrow(UsageError)
    expect(await jobs.list()).toEqual([])
  })

  it('Q7: lets the caller’s transaction see its job, and takes it away with a rollback', async () => {
    const { jobs, schema, url } = await openQue()
    const tx = await connect(url)
    await tx.query('begin')
    const { id } = await jobs.enqueue(mine, undefined, { tx })
    const seen = await tx.query(`select id from ${schema}.job`)
    expect(seen.rows).toEqual([{ id }])
    expect(await jobs.get(id)).toBeUndefined()
    await tx.query('rollback')
    expect(await jobs.get(id)).toBeUndefined()
    expect(await jobs.lease()).toBeUndefined()
  })

  it('Q8: takes 0, the epoch, the empty name and an empty list for what they are, and defaults only for what is not given', async () => {
    const { jobs } = await openQue()
    const ranked = task<readonly unknown[]>({ name: 'ranked', priority: 5, queue: 'low' })
    const { id } = await jobs.enqueue(ranked, [], { priority: 0, runAt: 0, queue: '' })
    expect(await jobs.get(id)).toMatchObject({ priority: 0, runAt: 0, queue: '', payload: [] })
    const usual = await jobs.enqueue(ranked, [])
    expect(await jobs.get(usual.id)).toMatchObject({ priority: 5, runAt: T, queue: 'low', payload: [] })
  })

  it('Q9: refuses an id, failures or an attempt from the caller, by name, and adds nothing', async () => {
    const { jobs } = await openQue()
    for (const option of ['id', 'attempt', 'failures', 'errorCount', 'lastError'])
      await expect(jobs.enqueue(mine, undefined, { [option]: 1 })).rejects.toThrow(`"${option}"`)
    expect(await jobs.list()).toEqual([])
  })
})
