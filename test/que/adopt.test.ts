import { expect, it } from 'vitest'

import { open, task } from '../../src/index.ts'
import { cli } from '../postgres/cli-kit.ts'
import { newDatabase } from '../servers/kit.ts'
import { newQue, versions } from './kit.ts'

it.for(versions)(
  'jobferry adopt moves what waits in tables of version %i, once, and leaves what is locked',
  async (version) => {
    const que = await newQue(version)
    const from = await que.jobs()
    const mail = task<[string]>({ name: 'Mail', queue: que.queue })
    await from.enqueueMany([
      mail.with(['ada']),
      mail.with(['bob'], { priority: 7 }),
      mail.with(['eve'], { delay: '1h' }),
    ])
    const held = await from.lease()
    expect(held?.payload).toEqual(['bob'])

    const target = await newDatabase()
    const moved = await cli(target, 'adopt', `que:${que.url}`)
    expect(moved).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^2 jobs moved\n?$/) as string })
    expect(await que.rows()).toHaveLength(1)
    await held?.release()
    expect(await cli(target, 'adopt', `que:${que.url}`)).toMatchObject({ code: 0 })
    expect(await que.rows()).toEqual([])

    await using to = await open(target, { logger: false })
    const jobs = await to.list({ order: 'oldest' })
    expect(jobs.map((job) => [job.payload, job.task, job.queue, job.state, job.priority, job.attempt])).toEqual([
      [['ada'], 'Mail', 'default', 'pending', 100, 0],
      [['eve'], 'Mail', 'default', 'pending', 100, 0],
      [['bob'], 'Mail', 'default', 'pending', 7, 0],
    ])
    const worked = await to.lease({ tasks: ['Mail'] })
    expect(worked?.payload).toEqual(['bob'])
  },
)
