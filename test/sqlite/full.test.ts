import { DatabaseSync } from 'node:sqlite'

import { expect, it } from 'vitest'

import { type Jobs, StoreError, task } from '../../src/index.ts'
import { newFile, next, openJobs } from './kit.ts'

const note = task<{ text: string }>({ name: 'note' })
const text = 'x'.repeat(10_000)

/** A store on a disk that holds only so much: the handle under it sets the limit. */
async function onSmallDisk(): Promise<{ jobs: Jobs; limit: (pages: number) => void; used: () => number }> {
  let handle: DatabaseSync | undefined
  const jobs = await openJobs(newFile(), { driver: (file) => (handle = new DatabaseSync(file)) })
  const pages = (): number => Number(handle!.prepare('pragma page_count').get()!['page_count'])
  return { jobs, limit: (most) => handle!.exec(`pragma max_page_count = ${most}`), used: pages }
}

it('refuses an enqueue on a full disk, keeps every earlier job, and takes more once there is space', async () => {
  const { jobs, limit, used } = await onSmallDisk()
  limit(used() + 50)
  const ids: string[] = []
  const refused = await (async () => {
    for (;;) {
      try {
        ids.push((await jobs.enqueue(note, { text })).id)
      } catch (error) {
        return error
      }
    }
  })()
  expect(refused).toBeInstanceOf(StoreError)
  expect(refused).toMatchObject({ retryable: true, message: expect.stringContaining('full') })
  expect(ids.length).toBeGreaterThan(5)
  expect((await jobs.list({ limit: 1_000, order: 'oldest' })).map(({ id }) => id)).toEqual(ids)
  expect((await jobs.stats())[0]?.counts.pending).toBe(ids.length)

  limit(100_000)
  ids.push((await jobs.enqueue(note, { text })).id)
  expect((await jobs.stats())[0]?.counts.pending).toBe(ids.length)
  expect((await jobs.report()).filter(({ level }) => level === 'fail')).toEqual([])
})

it('adds none of many when they do not all fit', async () => {
  const { jobs, limit, used } = await onSmallDisk()
  await jobs.enqueue(note, { text })
  limit(used() + 50)
  const many = Array.from({ length: 100 }, () => note.with({ text }))
  await expect(jobs.enqueueMany(many)).rejects.toMatchObject({ name: 'StoreError', retryable: true })
  expect(await jobs.list()).toHaveLength(1)
  expect((await jobs.stats())[0]?.counts.pending).toBe(1)
  limit(100_000)
  expect(await jobs.enqueueMany(many)).toHaveLength(100)
  expect((await jobs.stats())[0]?.counts.pending).toBe(101)
})

it('goes on working what there is, and keeps ends that do not fit until they do', async () => {
  const { jobs, limit, used } = await onSmallDisk()
  let runs = 0
  const trouble = next(jobs, 'error')
  const completed = next(jobs, 'completed')
  jobs.work([
    note.handle(() => {
      runs++
      limit(used())
      return { long: text.repeat(5) }
    }),
  ])
  const { id } = await jobs.enqueue(note, { text })
  expect(await trouble).toMatchObject({ error: { retryable: true } })
  limit(100_000)
  await completed
  expect(runs).toBe(1)
  expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1, result: { long: text.repeat(5) } })
})

it('can still be emptied: on a full disk jobs are deleted, and what that frees serves the others', async () => {
  const { jobs, limit, used } = await onSmallDisk()
  for (let n = 0; n < 20; n++) await jobs.enqueue(note, { text })
  limit(used())
  await expect(jobs.enqueueMany(Array.from({ length: 50 }, () => note.with({ text })))).rejects.toThrow('full')
  for (const { id } of await jobs.list({ limit: 5 })) expect(await jobs.delete(id)).toBe(true)
  for (let held = await jobs.lease(); held !== undefined; held = await jobs.lease())
    expect(await held.complete()).toBe(true)
  expect(await jobs.prune({ state: 'completed' })).toBe(15)
  for (let n = 0; n < 18; n++) await jobs.enqueue(note, { text })
  expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 18, completed: 0 })
})
