import { describe, expect, it } from 'vitest'

import { task } from '../../src/index.ts'
import { events, newQue, versions } from './kit.ts'

describe.for(versions)('version %i', (version) => {
  it('runs what it enqueues, in order, and leaves no row and no lock', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const greet = task<[string]>({ name: 'Greet', queue: que.queue })
    for (const name of ['ada', 'bob', 'cyd']) await jobs.enqueue(greet, [name])
    expect((await que.rows()).map(({ args, priority, queue }) => ({ args, priority, queue }))).toEqual(
      ['ada', 'bob', 'cyd'].map((name) => ({ args: `["${name}"]`, priority: '100', queue: que.queue })),
    )
    const seen: string[] = []
    const completed = events(jobs, 'completed', 3)
    const worker = jobs.work([greet.handle(([name]) => void seen.push(name))], { concurrency: 1 })
    await completed
    await worker.stop()
    expect(seen).toEqual(['ada', 'bob', 'cyd'])
    expect(await que.rows()).toEqual([])
    expect(await que.locks()).toEqual([])
  })

  it('enqueues where a step would let a trace travel, which the format cannot keep: no trace, and no failure', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const greet = task<[string]>({ name: 'Greet', queue: que.queue })
    jobs.useEnqueue(() => ({ trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } }))
    await jobs.enqueue(greet, ['ada'])
    const seen = new Promise((resolve) => jobs.work([greet.handle((payload, job) => resolve([payload, job.trace]))]))
    expect(await seen).toEqual([['ada'], undefined])
  })
})
