import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { connect } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { ForeignWorker } from './foreign.ts'
import { newQue, versions } from './kit.ts'
import { ledgerSchema, witnessed } from './ledger.ts'

const count = 400

describe.for(versions)('version %i', (version) => {
  it('shares its table with a worker of Que: no job runs twice, none is left, and both have their part', async () => {
    const que = await newQue(version)
    await que.client.query(ledgerSchema)
    const jobs = await que.jobs()
    const tick = task<[number]>({ name: 'Tick', queue: que.queue, backoff: '1ms' })

    const [own, theirs] = [await connect(que.url), await connect(que.url)]
    const ours = tick.handle(async ([n]) => await failingOnce(n, own, 'ours'))
    for (let n = 0; n < count; n++) if (n % 2 === 0) await jobs.enqueue(tick, [n])
    const foreign = await ForeignWorker.start(que.url, version, que.queue)
    onTestFinished(() => foreign.end())
    for (let n = 1; n < count; n += 2)
      await que.client.query(
        `insert into que_jobs (queue, job_class, args ${version > 4 ? ', job_schema_version' : ''})
         values ($1, 'Tick', $2 ${version > 4 ? `, ${version === 5 ? 1 : 2}` : ''})`,
        [que.queue, JSON.stringify([n])],
      )

    const worker = jobs.work([ours], { concurrency: 4 })
    const over = new AbortController()
    const playing = (async () => {
      while (!over.signal.aborted)
        await foreign.workOne(async (job) => {
          const [n = 0] = JSON.parse(job.args) as number[]
          await failingOnce(n, theirs, 'theirs')
        })
    })()
    await until('every job is done', async () => ((await que.rows()).length === 0 ? true : undefined))
    over.abort()
    await playing
    await worker.stop()

    const { rows: met } = await que.client.query('select * from met')
    expect(met).toEqual([])
    const { rows: runs } = await que.client.query<{ n: number; times: string }>(
      'select n, count(*) as times from done group by n order by n',
    )
    expect(runs.map(({ n, times }) => [n, Number(times)])).toEqual(
      Array.from({ length: count }, (_, n) => [n, n % 10 === 0 ? 2 : 1]),
    )
    const { rows: parts } = await que.client.query<{ who: string }>('select distinct who from done order by who')
    expect(parts.map(({ who }) => who)).toEqual(['ours', 'theirs'])
    expect(await que.locks()).toEqual([])
  })
})

/**
 * Every tenth job fails the first time that anybody runs it. By the ledger: from version 4 on Que works with the row as it was before it had the
 * lock, so that its count of errors may be the one before a failure of ours (reference sqlq-que, section 3.3, fault 7).
 */
async function failingOnce(n: number, client: Client, who: 'ours' | 'theirs'): Promise<void> {
  const before = await witnessed(client, n, who === 'ours' ? 1 : 2, who, async () => {})
  if (n % 10 === 0 && before === 0) throw new Error('once')
}
