import { AssertionError } from 'node:assert'

import { describe, expect, it } from 'vitest'

import { UsageError } from '../core/errors.ts'
import { task } from '../task.ts'
import { type Expected, expectEnqueued, expectNotEnqueued } from './expect-enqueued.ts'
import { openTesting } from './open-testing.ts'

const T = Date.UTC(2026, 0, 1)

interface Mail {
  readonly to: string
  readonly tags?: readonly string[]
  readonly from?: { readonly name: string; readonly at: Date }
}

const mail = task<Mail>({ name: 'mail', queue: 'notify' })
const bytes = task<Uint8Array>({ name: 'bytes' })

const given: readonly { readonly name: string; readonly fits: Expected<Mail>; readonly not: Expected<Mail> }[] = [
  { name: 'part of the payload', fits: { payload: { to: 'ada' } }, not: { payload: { to: 'bob' } } },
  { name: 'an inner part', fits: { payload: { from: { name: 'us' } } }, not: { payload: { from: { name: 'they' } } } },
  { name: 'a date', fits: { payload: { from: { at: new Date(T) } } }, not: { payload: { from: { at: new Date(0) } } } },
  { name: 'a whole array', fits: { payload: { tags: ['a', 'b'] } }, not: { payload: { tags: ['a'] } } },
  { name: 'the queue', fits: { queue: 'notify' }, not: { queue: 'default' } },
  { name: 'the priority', fits: { priority: 3 }, not: { priority: 0 } },
  { name: 'the delay', fits: { delay: '15m' }, not: { delay: '14m' } },
  { name: 'the time', fits: { runAt: new Date(T + 900_000) }, not: { runAt: T } },
  { name: 'the unique key', fits: { unique: 'k' }, not: { unique: 'l' } },
  { name: 'the number', fits: { count: 1 }, not: { count: 2 } },
  { name: 'a look', fits: { where: (job) => job.payload.to.length === 3 }, not: { where: () => false } },
  { name: 'nothing', fits: {}, not: { count: 0 } },
]

it.each(given)('holds, or does not, by $name', async ({ fits, not }) => {
  await using testing = await openTesting()
  await testing.jobs.enqueue(
    mail,
    { to: 'ada', tags: ['a', 'b'], from: { name: 'us', at: new Date(T) } },
    { delay: '15m', priority: 3, unique: 'k' },
  )
  expect(await expectEnqueued(testing.jobs, mail, fits)).toHaveLength(1)
  await expect(expectEnqueued(testing.jobs, mail, not)).rejects.toThrow(AssertionError)
  const { count: _fits, ...fitsAny } = fits
  await expect(expectNotEnqueued(testing.jobs, mail, fitsAny)).rejects.toThrow(AssertionError)
  const { count, ...notAny } = not
  if (count === undefined) await expectNotEnqueued(testing.jobs, mail, notAny)
})

it('compares the delay with the time of the enqueue, however late it is asked', async () => {
  await using testing = await openTesting()
  await testing.jobs.enqueue(mail, { to: 'ada' }, { delay: '1h' })
  await testing.clock.advance('59m')
  await expectEnqueued(testing.jobs, mail, { delay: '1h' })
})

it('compares bytes', async () => {
  await using testing = await openTesting()
  await testing.jobs.enqueue(bytes, new Uint8Array([1, 2]))
  await expectEnqueued(testing.jobs, bytes, { payload: Buffer.from([1, 2]) })
  await expectNotEnqueued(testing.jobs, bytes, { payload: new Uint8Array([1]) })
})

it('answers with the jobs, typed as they are stored', async () => {
  await using testing = await openTesting()
  await testing.jobs.enqueueMany([
    mail.with({ to: 'ada', from: { name: 'us', at: new Date(T) } }),
    mail.with({ to: 'b' }),
  ])
  const [first, second] = await expectEnqueued(testing.jobs, mail)
  const at: string | undefined = first?.payload.from?.at
  expect(at).toBe('2026-01-01T00:00:00.000Z')
  expect(second?.payload).toEqual({ to: 'b' })
})

it('sees only what waits, the next attempt of a failed job included', async () => {
  await using testing = await openTesting()
  const flaky = mail.handle(({ to }) => {
    if (to === 'bad') throw new Error('no')
  })
  await testing.jobs.enqueueMany([flaky.with({ to: 'bad' }), flaky.with({ to: 'good' })])
  await testing.drain([flaky])
  expect((await expectEnqueued(testing.jobs, mail, { count: 1 }))[0]?.attempt).toBe(1)
  await expectNotEnqueued(testing.jobs, mail, { payload: { to: 'good' } })
})

it('sees more jobs than fit on a page', async () => {
  await using testing = await openTesting()
  await testing.jobs.enqueueMany(Array.from({ length: 2_001 }, (_, n) => mail.with({ to: `${n}` })))
  await expectEnqueued(testing.jobs, mail, { count: 2_001 })
})

describe('the message', () => {
  const messageOf = async (promise: Promise<unknown>): Promise<string> => {
    const error: unknown = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    return error instanceof Error ? error.message : 'it held'
  }

  it('shows the jobs of the task that wait instead', async () => {
    await using testing = await openTesting()
    await testing.jobs.enqueue(mail, { to: 'bob' }, { delay: '15m', unique: 'k' })
    expect(await messageOf(expectEnqueued(testing.jobs, mail, { payload: { to: 'ada' }, delay: '1h' }))).toBe(
      [
        `Expected a job of task "mail" to wait with { payload: { to: 'ada' }, delay: '1h' }, found none.`,
        'These wait:',
        `  mail { payload: { to: 'bob' }, queue: 'notify', delay: '15m', unique: 'k' }`,
      ].join('\n'),
    )
    expect(await messageOf(expectEnqueued(testing.jobs, mail, { count: 2 }))).toContain(
      'Expected 2 jobs of task "mail" to wait, found 1.',
    )
    expect(await messageOf(expectNotEnqueued(testing.jobs, mail))).toContain(
      'Expected no job of task "mail" to wait, found 1:\n  mail { payload',
    )
  })

  it('says what became of the jobs that no longer wait', async () => {
    await using testing = await openTesting()
    const handled = mail.handle(() => undefined)
    await testing.jobs.enqueueMany([mail.with({ to: 'a' }), mail.with({ to: 'b' })])
    await testing.drain([handled])
    expect(await messageOf(expectEnqueued(testing.jobs, mail))).toBe(
      'Expected a job of task "mail" to wait, found none.\nOf its jobs none waits any more: 2 completed. No other job waits.',
    )
  })

  it('shows the jobs of other tasks when there is none of this', async () => {
    await using testing = await openTesting()
    await testing.jobs.enqueue(bytes, new Uint8Array([7]), { priority: -1, runAt: T - 1_000 })
    expect(await messageOf(expectEnqueued(testing.jobs, mail))).toBe(
      [
        'Expected a job of task "mail" to wait, found none.',
        'It was never enqueued. Of other tasks these wait:',
        `  bytes { payload: Uint8Array(1) [ 7 ], queue: 'default', priority: -1, runAt: 2025-12-31T23:59:59.000Z }`,
      ].join('\n'),
    )
  })

  it('stays short when there are many', async () => {
    await using testing = await openTesting()
    await testing.jobs.enqueueMany(Array.from({ length: 30 }, (_, n) => mail.with({ to: `${n}`.repeat(300) })))
    const message = await messageOf(expectEnqueued(testing.jobs, mail, { count: 1 }))
    expect(message).toContain('… and 20 more')
    expect(message.length).toBeLessThan(4_000)
  })

  it('carries what was found and what was expected, for runners that show the difference', async () => {
    await using testing = await openTesting()
    await testing.jobs.enqueue(mail, { to: 'bob' })
    await expect(expectEnqueued(testing.jobs, mail, { payload: { to: 'ada' } })).rejects.toMatchObject({
      code: 'ERR_ASSERTION',
      operator: 'expectEnqueued',
      actual: [{ payload: { to: 'bob' }, queue: 'notify', delay: '0ms' }],
      expected: [{ payload: { to: 'ada' } }],
    })
  })

  it('leads to the line of the test that expected it', async () => {
    await using testing = await openTesting()
    const error: unknown = await expectEnqueued(testing.jobs, mail).catch((thrown: unknown) => thrown)
    expect(error instanceof Error ? error.stack : '').toContain('expect-enqueued.test.ts')
  })
})

it('refuses an expectation that nobody reads, also when it is not to hold', async () => {
  await using testing = await openTesting()
  await expect(expectEnqueued(testing.jobs, mail, { payloads: {} } as object)).rejects.toThrow(
    'Unknown option "payloads" in expectEnqueued(). Did you mean "payload"?',
  )
  await expect(expectNotEnqueued(testing.jobs, mail, { count: 1 } as object)).rejects.toThrow('Unknown option "count"')
  await expect(expectNotEnqueued(testing.jobs, mail, { delay: 'soon' as '1s' })).rejects.toThrow(UsageError)
})

it('knows the types of payloads', async () => {
  await using testing = await openTesting()
  await testing.jobs.enqueue(mail, { to: 'ada' })
  const typed = async (): Promise<void> => {
    // @ts-expect-error -- a payload of mail has no such property
    await expectEnqueued(testing.jobs, mail, { payload: { too: 'ada' } })
    // @ts-expect-error -- nor is it a number
    await expectEnqueued(testing.jobs, mail, { payload: { to: 7 } })
    // @ts-expect-error -- bytes are expected whole
    await expectEnqueued(testing.jobs, bytes, { payload: { length: 1 } })
    // @ts-expect-error -- a task without a handler cannot be run
    await testing.run(mail, { to: 'ada' })
    const counted = mail.handle(() => 1)
    // @ts-expect-error -- nor with another payload
    await testing.run(counted, { from: 'ada' })
    const result: number = await testing.run(counted, { to: 'ada' })
    expect(result).toBe(1)
  }
  await expect(typed()).rejects.toThrow(AssertionError)
})
