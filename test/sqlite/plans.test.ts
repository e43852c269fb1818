import { DatabaseSync } from 'node:sqlite'

import { expect, it } from 'vitest'

import { type JobFilter, type Jobs, type State, task } from '../../src/index.ts'
import { type SqliteHandle, type SqliteStatement } from '../../src/stores/sqlite/index.ts'
import { makeStatements } from '../../src/stores/sqlite/statements.ts'
import { newFile, openHandle, openJobs } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello' })

/** Over several lanes a claim sorts the heads of each; the others are in the order of their index. */
const sorts = new Set(['dueOfSeveral', 'expired', 'behindTally'])

it('finds its way to jobs by an index in every statement, and sorts none but the heads of several lanes', async () => {
  const file = newFile()
  await openJobs(file)
  const db = openHandle(file)
  const statements = Object.entries(makeStatements('jobferry_')).map(
    ([name, sql]) => [name, typeof sql === 'function' ? sql(3) : sql] as const,
  )
  const plans = statements
    .filter(([, sql]) => /\b(?:select|insert|update|delete)\b/.test(sql))
    .map(([name, sql]) => ({ name, steps: planOf(db, sql) }))
  expect(plans.length).toBeGreaterThan(25)
  for (const { name, steps } of plans) {
    const scans = steps.filter((step) => /\bSCAN jobferry_(?:job|log)\b/.test(step) && name !== 'anyLog')
    expect(scans, `${name} walks over a whole table`).toEqual([])
    const sorting = steps.filter((step) => step.includes('USE TEMP B-TREE') && !sorts.has(name))
    expect(sorting, `${name} sorts`).toEqual([])
    expect(steps.filter((step) => step.includes('AUTOMATIC')).length, `${name} builds an index on the way`).toBe(0)
  }
})

it('sorts expired jobs only where two leases end in the same millisecond', async () => {
  const file = newFile()
  await openJobs(file)
  const steps = planOf(openHandle(file), makeStatements('jobferry_').expired)
  expect(steps.filter((step) => step.includes('TEMP B-TREE'))).toEqual(['USE TEMP B-TREE FOR LAST TERM OF ORDER BY'])
})

/** Every list filter, alone and with others, on a file with all kinds of jobs in it. */
const filters: readonly Partial<JobFilter>[] = [
  {},
  { order: 'oldest' },
  ...(['pending', 'running', 'completed', 'failed', 'cancelled'] as const).flatMap(
    (state: State): Partial<JobFilter>[] => [
      { state },
      { state, queue: 'q1' },
      { state, task: 'hello' },
      { state, order: 'oldest', queue: 'q1' },
    ],
  ),
  { uniqueKey: 'u5' },
  { uniqueKey: 'u5', state: 'completed', queue: 'q1' },
  { queue: 'q1' },
  { task: 'hello', order: 'oldest' },
  { queue: 'q1', task: 'hello', createdFrom: 1 },
  { createdFrom: 1 },
  { parent: 'p' },
  { parent: 'p', state: 'failed' },
]

it.each(filters)('lists by %o along an index', async (filter) => {
  const { jobs, statements } = await recorded()
  await fill(jobs)
  statements.clear()
  await jobs.list({ limit: 10, ...filter })
  const db = openHandle(filesOf.get(jobs)!)
  const listing = [...statements].filter((sql) => /order by \+?id/.test(sql))
  expect(listing).toHaveLength(1)
  const steps = planOf(db, listing[0]!)
  const ordered = Object.keys(filter).every((key) => key === 'order')
  for (const step of steps.filter((one) => one.includes('jobferry_job'))) {
    // Without a filter the index of ids is walked in the order wanted, up to the limit.
    expect(step).toMatch(ordered ? /jobferry_job USING INDEX/ : /SEARCH jobferry_job USING/)
  }
})

it('shows a page of many jobs by looking at few more than it shows', async () => {
  const { jobs, rows } = await recorded()
  for (let round = 0; round < 10; round++)
    await jobs.enqueueMany(
      Array.from({ length: 500 }, (_, n) => hello.with({ n }, { queue: `q${n % 5}`, priority: n % 2 })),
    )
  const held = await jobs.leaseMany({ limit: 5_000 })
  for (const job of held.slice(0, 4_000)) await job.complete()
  for (const job of held.slice(4_000, 4_020)) await job.cancel()
  for (const job of held.slice(4_030)) await job.release()
  await jobs.enqueue(hello, { n: 1 }, { queue: 'rare' })
  const visited = async (filter: Partial<JobFilter>): Promise<number> => {
    rows.visited = 0
    await jobs.list({ limit: 20, ...filter })
    return rows.visited
  }
  const lanes = 2
  expect(await visited({})).toBeLessThanOrEqual(21)
  expect(await visited({ state: 'cancelled' })).toBeLessThanOrEqual(20)
  expect(await visited({ state: 'completed', queue: 'q1' })).toBeLessThanOrEqual(21 * lanes)
  expect(await visited({ state: 'completed', queue: 'q1', order: 'oldest' })).toBeLessThanOrEqual(21 * lanes)
  expect(await visited({ state: 'running' })).toBeLessThanOrEqual(10)
  expect(await visited({ state: 'pending' })).toBeLessThanOrEqual(971)
  expect(await visited({ state: 'pending', queue: 'rare' })).toBeLessThanOrEqual(1)
  expect(await visited({ queue: 'rare' })).toBeLessThanOrEqual(1)
  expect(await visited({ uniqueKey: 'nobody' })).toBe(0)
  expect(await visited({ parent: 'nobody' })).toBe(0)
  expect(await visited({ createdFrom: Date.now() + 60_000 })).toBe(0)
})

const filesOf = new WeakMap<Jobs, string>()

/** A store that notes the text of its statements and counts the job rows that its queries visit. */
async function recorded(): Promise<{ jobs: Jobs; statements: Set<string>; rows: { visited: number } }> {
  const statements = new Set<string>()
  const rows = { visited: 0 }
  const file = newFile()
  const driver = (path: string): SqliteHandle => {
    const db = new DatabaseSync(path)
    db.function('visited', { varargs: true }, () => {
      rows.visited++
      return 1
    })
    return {
      prepare: (sql) => {
        const statement = db.prepare(sql.replace(/from (\w+job) where/, 'from $1 where visited(id) and'))
        return new Proxy<SqliteStatement>(statement, {
          get(target, key) {
            statements.add(sql)
            const value: unknown = Reflect.get(target, key, target)
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      },
      exec: (sql) => db.exec(sql),
      close: () => db.close(),
    }
  }
  const jobs = await openJobs(file, { driver })
  filesOf.set(jobs, file)
  return { jobs, statements, rows }
}

async function fill(jobs: Jobs): Promise<void> {
  await jobs.enqueueMany(
    Array.from({ length: 50 }, (_, n) =>
      hello.with({ n }, { queue: `q${n % 3}`, unique: `u${n}`, maxAttempts: 1, priority: n % 2 }),
    ),
  )
  const held = await jobs.leaseMany({ limit: 30 })
  for (const [i, job] of held.entries()) {
    if (i < 10) await job.complete()
    else if (i < 20) await job.fail(new Error('no'))
    else if (i < 25) await job.cancel()
  }
}

function planOf(db: SqliteHandle, sql: string): readonly string[] {
  const rows = db.prepare(`explain query plan ${sql}`).all() as readonly { detail: string }[]
  return rows.map(({ detail }) => detail)
}
