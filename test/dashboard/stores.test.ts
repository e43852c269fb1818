import { expect, inject, it, onTestFinished } from 'vitest'

import { type Jobs, open, task } from '../../src/index.ts'
import { newQue } from '../que/kit.ts'
import { newPrefix, newSchema } from '../servers/kit.ts'
import { over } from './kit.ts'

const note = task<{ text: string }>({ name: 'note', queue: 'notes' })

const stores: Readonly<Record<string, () => Promise<Jobs>>> = {
  PostgreSQL: async () => {
    const { url, schema } = await newSchema()
    return await open(url, { schema, logger: false })
  },
  Redis: async () => await open(inject('redis').url, { namespace: newPrefix(), logger: false }),
  'two SQLite files': async () => await open(['sqlite::memory:', 'sqlite::memory:'], { logger: false }),
}

async function ended(page: ReturnType<typeof over>, id: string): Promise<void> {
  while ((await page.get(`api/operations/${id}`)).state === 'running') await new Promise(setImmediate)
}

it.each(Object.keys(stores))('looks and steers on %s as on any store', async (name) => {
  const jobs = await stores[name]!()
  onTestFinished(() => jobs.close())
  const page = over(jobs)
  const added = await jobs.enqueueMany(Array.from({ length: 120 }, (_, n) => note.with({ text: `note ${n}` })))
  const held = await jobs.lease()
  await held!.complete()
  const ids = added.map(({ id }) => id).toSorted()
  const seen: string[] = []
  for (let next: string | null = ''; next !== null;) {
    const { jobs: rows, next: after } = await page.get(
      `api/jobs?queue=notes&limit=50${next === '' ? '' : `&after=${next}`}`,
    )
    seen.push(...rows.map((row: { id: string }) => row.id))
    next = after
  }
  expect(seen).toEqual(ids.toReversed())
  expect((await page.get('api/jobs?state=completed')).jobs).toMatchObject([{ id: held!.id }])
  expect((await page.get('api/jobs?task=note&text=note 77')).jobs).toHaveLength(1)
  expect((await page.get(`api/jobs?createdUntil=${Date.now() + 60_000}&state=pending&limit=200`)).jobs).toHaveLength(
    119,
  )
  expect((await page.get('api/jobs?queue=none')).jobs).toEqual([])
  expect((await page.get('api/jobs/nobody')).code).toBe('not-found')
  expect(await page.get('api/overview')).toMatchObject({ counts: { pending: 119, completed: 1 } })
  expect(await page.get('api/workers')).toMatchObject({ workers: [] })
  expect(await page.post('api/queues', { queue: 'notes', paused: true }, 'PATCH')).toMatchObject({ paused: true })

  const { id } = await page.post('api/operations', { action: 'cancel', filter: { state: 'pending', queue: 'notes' } })
  await ended(page, id)
  expect(await page.get(`api/operations/${id}`)).toMatchObject({ state: 'done', total: 119, done: 119 })
  expect(await page.get('api/overview')).toMatchObject({ counts: { pending: 0, cancelled: 119 } })
  expect(page.errors).toEqual([])
})

it('shows of a guest what its format knows, offers nothing else, and refuses the rest', async () => {
  const que = await newQue(7)
  const jobs = await que.jobs()
  const page = over(jobs)
  const call = task<readonly string[]>({ name: 'Note', queue: 'notes' })
  const added = await jobs.enqueueMany(Array.from({ length: 12 }, (_, n) => call.with([`note ${n}`])))
  const { actions } = await page.get('api/session')
  expect(actions).toEqual(['list', 'search', 'enqueue', 'retry', 'delete', 'run', 'edit', 'bulk'])
  expect((await page.get('api/jobs?queue=notes')).jobs.map((row: { id: string }) => row.id)).toEqual(
    added.map(({ id }) => id).toReversed(),
  )
  const { id } = added[0]!
  expect((await page.get(`api/jobs/${id}`)).actions).toEqual(['retry', 'run', 'edit', 'delete'])
  for (const [method, path, body] of [
    ['GET', 'api/workers', undefined],
    ['GET', `api/jobs/${id}/logs`, undefined],
    ['PATCH', 'api/queues', { queue: 'notes', paused: true }],
    ['POST', `api/jobs/${id}/cancel`, {}],
    ['POST', 'api/operations', { action: 'cancel', ids: [id] }],
    ['PATCH', `api/jobs/${id}`, { maxAttempts: 9 }],
  ] as const)
    expect([path, (await page.ask(method, path, body)).status]).toEqual([path, 501])
  const operation = await page.post('api/operations', { action: 'delete', filter: { state: 'any' } })
  await ended(page, operation.id)
  expect(await page.get(`api/operations/${operation.id}`)).toMatchObject({ state: 'done', done: 12 })
  expect(await que.rows()).toEqual([])
})
