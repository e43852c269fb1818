import { DatabaseSync } from 'node:sqlite'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { EnqueueFacts } from './enqueue-step.ts'
import { ConflictError, type JobEvent, type Jobs, open, PayloadError, task, UsageError } from './index.ts'

const mail = task<{ to: string }>({ name: 'mail', queue: 'email' })
const sleep = task({ name: 'sleep' })

async function openJobs(url: `sqlite:${string}` | 'memory:' = 'memory:'): Promise<Jobs> {
  const jobs = await open(url, { logger: false })
  onTestFinished(() => jobs.close({ grace: 0 }))
  return jobs
}

/** What a step was told, call by call, and what came of each. */
function listen(jobs: Jobs, trace?: Readonly<Record<string, string>>) {
  const told: { jobs: readonly EnqueueFacts[]; came?: unknown }[] = []
  jobs.useEnqueue((facts) => {
    const entry: (typeof told)[number] = { jobs: facts }
    told.push(entry)
    return {
      ...(trace && { trace }),
      stored: (ids) => void (entry.came = ids),
      failed: (error) => void (entry.came = error),
    }
  })
  return told
}

describe('a step around enqueues', () => {
  it('is told of each call once, before and after, with the ids that it gave', async () => {
    const jobs = await openJobs()
    const told = listen(jobs)
    const { id } = await jobs.enqueue(mail, { to: 'ann' })
    const all = await jobs.enqueueMany([mail.with({ to: 'ben' }), sleep.with(undefined, { queue: 'night' })])
    expect(told).toEqual([
      { jobs: [{ task: 'mail', queue: 'email' }], came: [id] },
      {
        jobs: [
          { task: 'mail', queue: 'email' },
          { task: 'sleep', queue: 'night' },
        ],
        came: all.map((one) => one.id),
      },
    ])
  })

  it('is told what the caller is told when nothing was stored, whatever the reason', async () => {
    const jobs = await openJobs()
    await jobs.enqueue(mail, { to: 'ann' }, { unique: 'one' })
    const told = listen(jobs)
    const unique = { key: 'one', onConflict: 'reject' } as const
    const calls = [
      jobs.enqueue(mail, { to: 'ben' }, { unique }),
      jobs.enqueue(mail, { to: 1n as unknown as string }),
      jobs.enqueue({} as typeof mail, { to: 'ben' }),
    ]
    const errors = (await Promise.allSettled(calls)).map((one) => (one.status === 'rejected' ? one.reason : undefined))
    expect(errors.map((error: Error) => error.name)).toEqual([ConflictError.name, PayloadError.name, UsageError.name])
    expect(told.map(({ came }) => came)).toEqual(errors)
  })

  it('lets something travel with each of the jobs, to every run and to those by hand; of two steps the later wins', async () => {
    const jobs = await openJobs()
    listen(jobs, { a: '1', b: '1' })
    listen(jobs, { b: '2' })
    await jobs.enqueueMany([mail.with({ to: 'ann' }, { timeout: '1m' }), mail.with({ to: 'ben' })])
    expect((await jobs.lease())?.trace).toEqual({ a: '1', b: '2' })
    const seen = new Promise((resolve) => jobs.work([mail.handle((_, job) => resolve(job.trace))]))
    expect(await seen).toEqual({ a: '1', b: '2' })
  })

  it('takes part in the transaction of a caller at once', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'jobferry-step-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const jobs = await openJobs(`sqlite:${join(dir, 'jobs.db')}`)
    const told = listen(jobs, { a: '1' })
    const db = new DatabaseSync(join(dir, 'jobs.db'))
    db.exec('begin immediate')
    const { id } = jobs.enqueue(mail, { to: 'ann' }, { tx: db })
    expect(told.map(({ came }) => came)).toEqual([[id]])
    expect(() => jobs.enqueue(mail, { to: 1n as unknown as string }, { tx: db })).toThrow(PayloadError)
    expect(told[1]?.came).toBeInstanceOf(PayloadError)
    db.exec('commit')
    db.close()
    expect((await jobs.lease())?.trace).toEqual({ a: '1' })
  })

  it('harms nobody when it throws, before or after: that is an error event', async () => {
    const jobs = await openJobs()
    const errors: JobEvent[] = []
    jobs.on('error', (event) => void errors.push(event))
    const broken = new Error('broken')
    const fail = (): never => {
      throw broken
    }
    jobs.useEnqueue(fail).useEnqueue(() => ({ stored: fail }))
    const told = listen(jobs)
    const { id } = await jobs.enqueue(mail, { to: 'ann' })
    expect(told.map(({ came }) => came)).toEqual([[id]])
    const during = 'a step around an enqueue'
    expect(errors).toEqual([
      { type: 'error', error: broken, during },
      { type: 'error', error: broken, during },
    ])
  })

  it('is refused unless it is a function', async () => {
    const jobs = await openJobs()
    expect(() => jobs.useEnqueue('x' as never)).toThrow(UsageError)
  })
})
