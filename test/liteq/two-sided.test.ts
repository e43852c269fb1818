import { expect, it } from 'vitest'

import { task } from '../../src/index.ts'
import { until } from '../servers/until.ts'
import { ForeignProgram } from './foreign.ts'
import { connect, newLiteq } from './kit.ts'
import { flavours } from './schema.ts'

it.for(flavours)(
  'shares its jobs with a Go program: both enqueue and work both queues, none runs twice, none is left (%s)',
  async (flavour) => {
    const liteq = newLiteq(flavour)
    const go = new ForeignProgram(connect(liteq.file), flavour)
    const jobs = await liteq.jobs({ visibilityTimeout: '30s' })
    const [mail, sms] = [task<number>({ name: 'mail' }), task<number>({ name: 'sms', queue: 'sms', maxAttempts: 2 })]
    const ran = new Map<string, string[]>()
    const note = (what: string, who: string): void => void ran.set(what, [...(ran.get(what) ?? []), who])

    for (let n = 0; n < 150; n++) {
      const key = n % 3 === 0 ? { key: `k${n}` } : {}
      go.queueJob({ queue: n % 2 === 0 ? 'mail' : 'sms', job: `${n}`, remainingAttempts: 2, ...key })
      await jobs.enqueue(n % 2 === 0 ? mail : sms, 1_000 + n, { maxAttempts: 2 })
    }
    const worker = jobs.work(
      [mail, sms].map((one) =>
        one.handle((n, job) => {
          note(`${n} ${job.attempt}`, 'ours')
          if (n % 10 === 0 && job.attempt === 1) throw new Error('again')
        }),
      ),
      { concurrency: 3 },
    )
    const left = liteq.db.prepare(`select count(*) as n from jobs where job_status in ('queued', 'fetched')`)
    await until('all is done', () => {
      for (const queue of ['mail', 'sms']) {
        go.reset(queue, 30)
        for (const job of go.grab(queue, 2)) {
          const attempt = 3 - job.remaining_attempts
          note(`${job.job} ${attempt}`, 'theirs')
          if (Number(job.job) % 10 === 0 && attempt === 1) go.fail(job, 'again')
          else go.complete(job)
        }
      }
      return left.get()?.['n'] === 0 ? true : undefined
    })
    await worker.stop()

    expect([...ran].filter(([, who]) => who.length > 1)).toEqual([])
    expect(ran.size).toBe(300 + 30)
    expect(new Set([...ran.values()].flat())).toEqual(new Set(['ours', 'theirs']))
    expect(new Set(liteq.values().map((row) => row['job_status']))).toEqual(new Set(['completed']))
    expect(
      liteq.rows().filter((row) => String(row['errors']?.[1]) === '["again"]' && row['errors']?.[0] === 'blob'),
    ).toHaveLength(30)
  },
)

it('runs jobs of a key one at a time, whoever has it, from commit ed648f2 on', async () => {
  const liteq = newLiteq('scoped')
  const go = new ForeignProgram(connect(liteq.file), 'scoped')
  const jobs = await liteq.jobs()
  const sync = task<string>({ name: 'sync' })
  go.queueJob({ queue: 'sync', job: '"first"', key: 'k' })
  const [theirs] = go.grab('sync', 9)
  await jobs.enqueue(sync, 'second', { unique: 'k' })
  expect(await jobs.lease()).toBeUndefined()
  go.complete(theirs!)
  const ours = await jobs.lease()
  expect(ours?.payload).toBe('second')
  go.queueJob({ queue: 'sync', job: '"third"', key: 'k' })
  expect(go.grab('sync', 9)).toEqual([])
  await ours?.complete()
  expect(go.grab('sync', 9)).toMatchObject([{ job: '"third"' }])
})

it('keeps a job from every consumer, however short its timeout, for as long as its worker renews it', async () => {
  const liteq = newLiteq('scoped')
  const second = Math.floor(Date.now() / 1_000)
  const store = liteq.store()
  const jobs = await liteq.jobs()
  const reset = (later: number): void => new ForeignProgram(liteq.db, 'scoped', () => second + later).reset('long', 1)
  await jobs.enqueue(task<number>({ name: 'long' }), 1)
  const now = second * 1_000
  await store.claim({ tasks: undefined, limit: 1, lease: 'mine', until: now + 30_000, now })
  const [row] = liteq.values()
  for (let later = 10; later <= 60; later += 10) {
    reset(later)
    const at = now + later * 1_000
    expect(await store.renew([{ id: '1', lease: 'mine' }], at + 30_000, at)).toMatchObject([{ cancel: undefined }])
  }
  reset(90)
  expect(liteq.values()).toEqual([{ ...row, consumer_fetched_at: second + 89 }])
  reset(91)
  expect(await store.renew([{ id: '1', lease: 'mine' }], now + 99_000, now + 80_000)).toEqual([undefined])
  expect(liteq.values()).toMatchObject([{ job_status: 'failed', errors: '["visibility timeout expired"]' }])
})
