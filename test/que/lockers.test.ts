import { hostname } from 'node:os'

import { describe, expect, it } from 'vitest'

import { task } from '../../src/index.ts'
import { asText } from '../../src/stores/pg/pg.ts'
import { Lockers } from '../../src/stores/que/lockers.ts'
import type { Ask } from '../../src/stores/que/session.ts'
import { makeStatements } from '../../src/stores/que/statements.ts'
import { connect } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { fixtures, stepOf } from './fixture.ts'
import { events, newQue, type Que, rowsOf, versions } from './kit.ts'

/** Nothing is found by looking. */
const asleep = { poll: '1h', upkeep: false } as const

describe.for(versions.filter((version) => version > 3))('version %i', (version) => {
  it('is told by Que’s trigger of what others add, without polling, and of what falls due by itself', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const one = task<[number]>({ name: 'One' })
    const worker = jobs.work([one.handle(() => undefined)], { ...asleep, queues: ['default'] })
    await until('it is among the lockers', async () => (await lockers(que))[0])
    const completed = events(jobs, 'completed', 2)
    await add(que, 'now()')
    await add(que, `now() + '300 ms'`)
    await add(que, 'now()') // announced: the look it causes finds when the one before falls due
    await completed
    await worker.stop()
  })

  it('has a row among the lockers while it listens, as Ruby writes it, and cleans away those of the dead', async () => {
    const que = await newQue(version)
    const versioned = version > 4
    await que.client.query(`insert into que_lockers values (1, 1, '{null}', 1, 'dead', '{default}', true)`)
    const jobs = await que.jobs({ connections: 1 })
    const worker = jobs.work([task<[]>({ name: 'One' }).handle(() => undefined)], {
      ...asleep,
      concurrency: 2,
      queues: ['default', 'mail'],
    })
    const row = await until('it is among the lockers', async () => (await lockers(que)).find(({ pid }) => pid !== '1'))
    const fixture = fixtures.find((one) => one.version === version)
    if (fixture !== undefined)
      expect(Object.keys(row)).toEqual(Object.keys(stepOf(fixture, 'a Locker for').lockers[0] ?? {}))
    const { pid, worker_priorities: priorities, worker_count: count, ...rest } = row
    expect(rest).toEqual({
      ruby_pid: String(process.pid),
      ruby_hostname: hostname(),
      queues: '{default,mail}',
      listening: 't',
      ...(versioned ? { job_schema_version: version === 5 ? '1' : '2' } : {}),
    })
    expect(priorities).toBe(`{${Array.from({ length: Number(count) }, () => 'NULL').join(',')}}`)
    expect(await lockers(que)).toHaveLength(1)
    const { rows } = await que.client.query(`select query from pg_stat_activity where pid = $1`, [pid])
    expect(rows).toHaveLength(1)
    await worker.stop()
    await until('the row is gone', async () => ((await lockers(que)).length === 0 ? true : undefined))
  })

  it('comes back after its connection was lost, and finds what was added meanwhile', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const one = task<[number]>({ name: 'One' })
    const completed = events(jobs, 'completed', 1)
    const worker = jobs.work([one.handle(() => undefined)], { ...asleep, queues: ['default'] })
    const first = await until('it is among the lockers', async () => (await lockers(que))[0])
    await que.client.query('select pg_terminate_backend($1)', [first['pid']])
    await until('it is there again, with another session', async () =>
      (await lockers(que)).find(({ pid }) => pid !== first['pid']),
    )
    await add(que, 'now()')
    await completed
    await worker.stop()
  })

  it('takes away the row of the session it has lost, which the server may not have noticed yet, and no row of others', async () => {
    const que = await newQue(version)
    const { format } = await que.store()
    const sessions = [await connect(que.url), await connect(que.url)] as const
    const ask = (n: 0 | 1): Ask => {
      return async (text, values = []) =>
        (await sessions[n].query<string[]>({ text, values: [...values], rowMode: 'array', types: asText })).rows
    }
    const [before, after] = [await pidOf(ask(0)), await pidOf(ask(1))]
    const ours = new Lockers(format, makeStatements(format))
    const request = { tasks: undefined, queues: ['default'], limit: 1, lease: 'x', until: 1, now: 0 }
    await ours.attend(request, ask(0))
    expect((await lockers(que)).map(({ pid }) => pid)).toEqual([before])
    ours.lost()
    await ours.attend(request, ask(1))
    expect((await lockers(que)).map(({ pid }) => pid)).toEqual([after])

    ours.lost()
    await que.client.query(`update que_lockers set ruby_hostname = 'elsewhere'`) // the number has gone to another
    await ours.attend(request, ask(0))
    expect((await lockers(que)).map(({ pid }) => pid).toSorted()).toEqual([before, after].map(String).toSorted())
  })

  it('stays out of the lockers where it is not to be notified, and says that it cannot listen', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs({ notify: false })
    expect(jobs.capabilities.has('listen')).toBe(false)
    const one = task<[number]>({ name: 'One' })
    const completed = events(jobs, 'completed', 1)
    const worker = jobs.work([one.handle(() => undefined)], asleep)
    await jobs.enqueue(one, [1]) // its own
    await completed
    expect(await lockers(que)).toEqual([])
    await worker.stop()
  })
})

async function lockers({ client }: Que): ReturnType<typeof rowsOf> {
  return await rowsOf(client, 'select * from que_lockers order by pid')
}

async function add(que: Que, runAt: string): Promise<void> {
  const versioned = que.version < 5 ? ['', ''] : [', job_schema_version', `, ${que.version === 5 ? 1 : 2}`]
  await que.client.query(
    `insert into que_jobs (job_class, args, run_at ${versioned[0]}) values ('One', '[1]', ${runAt} ${versioned[1]})`,
  )
}

async function pidOf(ask: Ask): Promise<unknown> {
  return (await ask('select pg_backend_pid()::text'))[0]?.[0]
}
