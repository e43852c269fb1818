import { describe, expect, it } from 'vitest'

import { LeaseLostError, open, task } from '../../src/index.ts'
import { asText } from '../../src/stores/pg/pg.ts'
import { Leases } from '../../src/stores/que/leases.ts'
import { makeStatements } from '../../src/stores/que/statements.ts'
import { Taker } from '../../src/stores/que/taker.ts'
import { connect, newProxy } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { events, newQue, type Que, versions } from './kit.ts'

const T = Date.parse('2026-11-21T12:00:00Z')

describe.for(versions)('version %i', (version) => {
  it('never takes a job twice in one session, though its locks could be taken again and again', async () => {
    const que = await newQue(version)
    const store = await que.store()
    await addRows(que, 30)
    const claims = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const request = { tasks: undefined, limit: 3, lease: `lease ${n}`, until: T + 1, now: T }
        return (await store.claim(request)).jobs.map(({ id }) => id)
      }),
    )
    expect(claims.flat().toSorted()).toEqual(Array.from({ length: 30 }, (_, n) => String(n + 1)).toSorted())
    expect(await que.locks()).toHaveLength(30)
  })

  it('takes no job that was ended, or put off, between the look and the lock, and lets go of its lock', async () => {
    const que = await newQue(version)
    const { format } = await que.store()
    await addRows(que, 4)
    const client = await connect(que.url)
    let asked = 0
    const taker = new Taker(makeStatements(format), new Leases(), 16)
    const request = { tasks: undefined, limit: 3, lease: 'x', until: T + 1, now: T }
    const jobs = await taker.take(request, async (text, values = []) => {
      const { rows } = await client.query<string[]>({ text, values: [...values], rowMode: 'array', types: asText })
      // What a worker of Que's does that had the job when our look took its snapshot, and unlocked it before our lock was tried.
      if (asked++ === 0) {
        await que.client.query(`delete from que_jobs where ${que.id} = 1`)
        await que.client.query(`update que_jobs set error_count = 1, run_at = now() + '4 s' where ${que.id} = 2`)
      }
      return rows
    })
    expect(jobs.map(({ id, attempt }) => [id, attempt])).toEqual([
      ['3', 1],
      ['4', 1],
    ])
    expect(await que.locks()).toEqual(['3', '4'])
  })

  it('tells the handlers at once when the connection that holds their locks is lost, and stores nothing more of their runs', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const slow = task<[number]>({ name: 'Slow', queue: que.queue })
    await jobs.enqueue(slow, [1])
    const lost = events(jobs, 'lost', 1)
    const reasons: unknown[] = []
    const attempts: number[] = []
    const release = new AbortController()
    const started = events(jobs, 'started', 1)
    const worker = jobs.work([
      slow.handle(async (_, job) => {
        attempts.push(job.attempt)
        if (attempts.length > 1) return
        await new Promise<void>((resolve) => {
          job.signal.addEventListener('abort', () => {
            reasons.push(job.signal.reason)
            resolve()
          })
        })
        release.abort()
      }),
    ])
    await started
    const before = await que.rows()
    const completed = events(jobs, 'completed', 1)
    await endLockers(que)
    await lost
    expect(reasons).toEqual([expect.any(LeaseLostError)])
    expect(before).toMatchObject([{ error_count: '0' }])
    await completed // by a later run: the first has changed nothing
    expect(attempts).toEqual([1, 1])
    await worker.stop()
    expect(await que.rows()).toEqual([])
    expect(await que.locks()).toEqual([])
  })

  // Six seconds each: the oldest schema, and the newest.
  it.runIf(version === 3 || version === 7)(
    'tells the handlers when the network has swallowed the connection that holds their locks, while the server still keeps them',
    async () => {
      const que = await newQue(version)
      const proxy = await newProxy(que.url)
      const jobs = await open(`que:${proxy.url}`, { logger: false, timeout: '300ms' })
      const slow = task<[number]>({ name: 'Slow', queue: que.queue })
      await jobs.enqueue(slow, [1])
      const started = events(jobs, 'started', 1)
      const told = Promise.withResolvers<unknown>()
      const worker = jobs.work(
        [
          slow.handle(async (_, job) => {
            await new Promise((resolve) => job.signal.addEventListener('abort', resolve))
            told.resolve(job.signal.reason)
          }),
        ],
        { lease: '1s' },
      )
      await started
      await proxy.blackHole()
      expect(await told.promise).toBeInstanceOf(LeaseLostError)
      expect(await que.locks()).toEqual(['1']) // so nobody else has it: the server does not know yet
      expect(await que.rows()).toMatchObject([{ error_count: '0' }])
      await proxy.cut()
      await worker.stop({ grace: 0 })
      await jobs.close()
      await until('the server has ended the session', async () => ((await que.locks()).length === 0 ? true : undefined))
    },
  )

  it('refuses the end of a run whose lock is lost, even when nobody has taken the job since', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const one = task<[]>({ name: 'One', queue: que.queue })
    const { id } = await jobs.enqueue(one, [])
    const held = await jobs.lease()
    await endLockers(que)
    await until('the store has noticed', async () => ((await held?.extend('1m')) === false ? true : undefined))
    expect([await held?.complete(), await held?.fail(new Error('x')), await held?.release()]).toEqual([
      false,
      false,
      false,
    ])
    await until('the server has ended the session', async () => ((await que.locks()).length === 0 ? true : undefined))
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 0 })
  })

  it('keeps no lock of a claim that failed half-way: the next takes those jobs, and lets them go as it should', async () => {
    const que = await newQue(version)
    const store = await que.store()
    await addRows(que, 3)
    const claim = async (lease: string): Promise<readonly string[]> =>
      (await store.claim({ tasks: undefined, limit: 9, lease, until: T + 1, now: T })).jobs.map(({ id }) => id)
    await que.client.query('alter table que_jobs rename column error_count to other') // read only once the locks are held
    await expect(claim('first')).rejects.toThrow('error_count')
    await until('the locks are gone', async () => ((await que.locks()).length === 0 ? true : undefined))
    await que.client.query('alter table que_jobs rename column other to error_count')
    expect(await claim('second')).toEqual(['1', '2', '3'])
    expect(await que.locks()).toEqual(['1', '2', '3'])
    await store.close()
    await until('the server has ended the session', async () => ((await que.locks()).length === 0 ? true : undefined))
  })

  it('changes no job that a worker of Que is running', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const one = task<[]>({ name: 'One', queue: que.queue })
    const { id } = await jobs.enqueue(one, [])
    const worker = await connect(que.url)
    await worker.query('select pg_advisory_lock($1)', [id])
    const before = await que.rows()
    expect(await jobs.get(id)).toMatchObject({ state: 'running' })
    await expect(jobs.edit(id, { priority: 1 })).rejects.toThrow(/is running/)
    await expect(jobs.delete(id)).rejects.toThrow(/is running/)
    await expect(jobs.retry(id)).rejects.toThrow(/is running/)
    expect(await que.rows()).toEqual(before)
    await worker.query('select pg_advisory_unlock($1)', [id])
    await jobs.edit(id, { priority: 1 })
    expect(await que.rows()).toEqual([{ ...before[0], priority: '1' }])
    expect(await jobs.delete(id)).toBe(true)
    expect(await que.locks()).toEqual([])
  })
})

async function addRows(que: Que, count: number): Promise<void> {
  const versioned = que.version < 5 ? ['', ''] : [', job_schema_version', `, ${que.version === 5 ? 1 : 2}`]
  await que.client.query(
    `insert into que_jobs (queue, run_at, job_class ${versioned[0]})
     select $1, $2::timestamptz, 'Job' ${versioned[1]} from generate_series(1, ${count})`,
    [que.queue, '2026-11-21 11:00:00.123457+00'],
  )
}

/** Ends every session that holds a job's lock. */
async function endLockers({ client }: Que): Promise<void> {
  await client.query(
    `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 1
       and database = (select oid from pg_database where datname = current_database())`,
  )
}
