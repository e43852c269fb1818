import { describe, expect, it } from 'vitest'

import { task } from '../../src/index.ts'
import { Uuids } from '../../src/stores/backlite/ids.ts'
import { save } from './foreign.ts'
import { connect, newBacklite, T } from './kit.ts'

const any = task<unknown>({ name: 'any' })

describe('a payload', () => {
  it.each([
    [{ To: '<b>&amp;</b> \u2028 "quoted" \\ Zażółć 🚀' }],
    [['ada', 1, 2.5, null, true, { deep: [] }]],
    ['text'],
    [5],
    [null],
  ])('comes back as it was given, whoever has written it: %j', async (payload: unknown) => {
    const backlite = newBacklite()
    const jobs = await backlite.jobs()
    await jobs.enqueue(any, payload)
    save(connect(backlite.file), [{ queue: 'any', task: payload }])
    expect((await jobs.list()).map((job) => job.payload)).toEqual([payload, payload])
    expect((await jobs.leaseMany({ limit: 9 })).map((job) => job.payload)).toEqual([payload, payload])
    for (const { task: [type = '', text] = [] } of backlite.rows()) {
      expect(type).toBe('blob')
      expect(text).toMatch(/[^\n]\n$/)
      expect(JSON.parse(String(text))).toEqual(payload)
    }
  })

  it('that is none is a task without fields', async () => {
    const backlite = newBacklite()
    const jobs = await backlite.jobs()
    await jobs.enqueue(task({ name: 'tick' }))
    expect(backlite.values()).toMatchObject([{ task: '{}\n', wait_until: null, attempts: 0 }])
  })

  it('keeps whole numbers beyond 2^53 in the table, through every attempt and the end', async () => {
    const backlite = newBacklite()
    const text = '{"id":9007199254740993,"max":18446744073709551615}\n'
    backlite.db
      .prepare('insert into backlite_tasks (id, created_at, queue, task) values (?, ?, ?, ?)')
      .run('one', T, 'any', Buffer.from(text))
    const jobs = await backlite.jobs()
    await (await jobs.lease())?.release()
    await jobs.edit('one', { delay: 0 })
    await (await jobs.lease())?.fail(new Error('boom'))
    expect(backlite.values('backlite_tasks_completed')).toMatchObject([{ id: 'one', task: text }])
    await jobs.retry('one')
    expect(backlite.values()).toMatchObject([{ id: 'one', task: text, attempts: 1 }])
  })

  it('that is not JSON is bytes, and spoils no look at others', async () => {
    const backlite = newBacklite()
    const insert = backlite.db.prepare('insert into backlite_tasks (id, created_at, queue, task) values (?, ?, ?, ?)')
    for (const [i, bytes] of ['{"half":', '', '{}{}', '\u00ff'].entries())
      insert.run(String(i), T, 'any', Buffer.from(bytes, 'latin1'))
    const jobs = await backlite.jobs()
    const seen = await jobs.list({ order: 'oldest' })
    expect(seen.map(({ payload }) => Buffer.from(payload as Uint8Array).toString('latin1'))).toEqual([
      '{"half":',
      '',
      '{}{}',
      '\u00ff',
    ])
  })
})

describe('times', () => {
  it('that no Date can hold spoil no look at others', async () => {
    const backlite = newBacklite()
    const insert = backlite.db.prepare(
      'insert into backlite_tasks (id, created_at, queue, task, wait_until) values (?, ?, ?, ?, ?)',
    )
    const bytes = Buffer.from('{}\n')
    insert.run('far', T, 'any', bytes, 9_223_372_036_854_775_807n)
    insert.run('zero', -62_135_596_800_000, 'any', bytes, -62_135_596_800_000)
    const jobs = await backlite.jobs()
    expect((await jobs.list()).map(({ id }) => id)).toEqual(['zero', 'far'])
    expect((await jobs.leaseMany({ limit: 9 })).map(({ id }) => id)).toEqual(['zero'])
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 1, running: 1 })
  })

  it('to run at are none for what is to run at once, and whole milliseconds otherwise', async () => {
    const backlite = newBacklite()
    const jobs = await backlite.jobs()
    await jobs.enqueue(any, {})
    await jobs.enqueue(any, {}, { runAt: T - 1e9 })
    await jobs.enqueue(any, {}, { runAt: new Date('2100-01-01') })
    expect(backlite.rows().map((row) => row['wait_until'])).toEqual([
      ['null', null],
      ['null', null],
      ['integer', Date.UTC(2100, 0, 1)],
    ])
  })
})

describe('ids', () => {
  it('are UUIDs of version 7 that sort in the order they were made in, whatever the clock does', () => {
    const ids = new Uuids()
    const made = [T, T, T + 1, T - 1_000, ...Array.from({ length: 5_000 }, () => T + 1), T + 2, T + 9].map((now) =>
      ids.next(now),
    )
    for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(made.toSorted()).toEqual(made)
    expect(new Set(made).size).toBe(made.length)
    expect(Number.parseInt(made[0]!.replace('-', '').slice(0, 12), 16)).toBe(T)
  })
})
