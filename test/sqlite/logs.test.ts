import { describe, expect, it } from 'vitest'

import { type Jobs, task } from '../../src/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { newFile, openHandle, openJobs } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello', maxAttempts: 1 })

describe('the log of a job goes with it', () => {
  /** Jobs with two lines each, all of them held; and how many lines there are in the file. */
  async function logged(howMany: number): Promise<{
    jobs: Jobs
    clock: ManualClock
    file: string
    lines: () => number
    held: Awaited<ReturnType<Jobs['leaseMany']>>
  }> {
    const file = newFile()
    const clock = new ManualClock()
    const jobs = await openJobs(file, { clock })
    await jobs.enqueueMany(Array.from({ length: howMany }, (_, n) => hello.with({ n })))
    const held = await jobs.leaseMany({ limit: howMany })
    for (const one of held) {
      one.log.info('first')
      one.log.warn('second', { n: 1 })
      await jobs.logs(one.id) // stores what is under way
    }
    const db = openHandle(file)
    return { jobs, clock, file, held, lines: () => db.prepare('select 1 from jobferry_log').all().length }
  }

  it('when it is deleted', async () => {
    const { jobs, held, lines } = await logged(3)
    expect(lines()).toBe(6)
    await held[0]!.complete()
    expect(await jobs.delete(held[0]!.id)).toBe(true)
    expect(lines()).toBe(4)
    expect(await jobs.logs(held[0]!.id)).toEqual([])
    expect(await jobs.logs(held[1]!.id)).toHaveLength(2)
  })

  it('when it is pruned by hand, by what it matches', async () => {
    const { jobs, held, lines } = await logged(3)
    await held[0]!.complete()
    await held[1]!.fail(new Error('no'))
    expect(await jobs.prune({ state: 'failed' })).toBe(1)
    expect(lines()).toBe(4)
  })

  it('when its retention has passed', async () => {
    const { jobs, clock, held, lines } = await logged(600)
    for (const one of held.slice(0, 599)) await one.complete()
    await clock.advance('2h')
    expect(await jobs.prune()).toBe(599)
    expect(lines()).toBe(2)
  })

  it('when its end keeps nothing of it', async () => {
    const { jobs, file, lines } = await logged(1)
    const added = await jobs.enqueue(hello, { n: 9 }, { retention: { completed: false } })
    const held = await jobs.lease()
    held!.log.info('soon gone')
    await jobs.logs(added.id)
    expect(lines()).toBe(3)
    const db = openHandle(file)
    db.exec('begin immediate')
    held!.complete(undefined, { tx: db })
    db.exec('rollback')
    expect(lines()).toBe(3)
    expect(await held!.complete()).toBe(true)
    expect(lines()).toBe(2)
  })

  it('and takes no more lines once it is gone', async () => {
    const { jobs, held, lines } = await logged(1)
    const log = held[0]!.log
    await held[0]!.complete()
    log.info('after the end')
    await jobs.delete(held[0]!.id)
    await jobs.logs(held[0]!.id)
    expect(lines()).toBe(0)
  })
})
