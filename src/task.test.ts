import { describe, expect, it } from 'vitest'
import * as v from 'valibot'
import { z } from 'zod'

import { simulate, T } from '../test/simulation.ts'
import { defaultBackoff } from './core/backoff.ts'
import { PayloadError, UsageError } from './core/errors.ts'
import { defaultRetention } from './core/retention.ts'
import type { RunningJob } from './running-job.ts'
import { type HandledTask, task } from './task.ts'

const job = {} as RunningJob

describe('task', () => {
  it('fills in every default', () => {
    const { name, queue, policy } = task({ name: 'a' })
    expect({ name, queue, policy }).toEqual({
      name: 'a',
      queue: 'default',
      policy: {
        queue: 'default',
        maxAttempts: 5,
        backoff: defaultBackoff,
        said: new Set(),
        timeoutMs: undefined,
        retention: defaultRetention,
        priority: 0,
        concurrency: Number.MAX_SAFE_INTEGER,
        unique: undefined,
        concurrencyKey: undefined,
      },
    })
  })

  it('takes lengths of time in words', () => {
    const { policy } = task({
      name: 'a',
      backoff: { type: 'exponential', delay: '5s', max: '10m', jitter: 0.5 },
      timeout: '1.5s',
      retention: { completed: false, failed: '2w', cancelled: 'forever', payload: 'none' },
    })
    expect(policy).toMatchObject({
      backoff: { type: 'exponential', delayMs: 5_000, maxMs: 600_000, jitter: 0.5 },
      timeoutMs: 1_500,
      retention: { completed: 0, failed: 14 * 86_400_000, cancelled: null, payload: 'none' },
    })
  })

  it.each([
    [{}, 'Expected `name` to be text of 1 to 255 characters'],
    [{ name: '' }, 'Expected `name`'],
    [{ name: 'a\nb' }, 'Expected `name`'],
    [{ name: 'x'.repeat(256) }, 'Expected `name`'],
    [{ name: 'a', queue: 7 }, 'Expected `queue` to be text of 0 to 255 characters without control characters, got 7'],
    [{ name: 'a', maxAttempts: 0 }, 'Expected `maxAttempts` to be a whole number from 1 to 10000, got 0 (number)'],
    [{ name: 'a', concurrency: '4' }, 'Expected `concurrency` to be a whole number from 1, got "4" (string)'],
    [{ name: 'a', priority: 32_768 }, 'Expected `priority`'],
    [{ name: 'a', timeout: '5 minutes' }, "Expected `timeout` to be a duration like '5m'"],
    [{ name: 'a', backoff: { type: 'cubic', delay: 1 } }, 'Expected `backoff.type`'],
    [{ name: 'a', retention: { payload: 'some' } }, 'Expected `retention.payload`'],
    [{ name: 'a', handler: 'x' }, 'Expected `handler` to be a function, got "x" (string)'],
    [{ name: 'a', unique: 'k' }, 'Expected `unique` to be a function'],
    [{ name: 'a', payload: { parse: () => 1 } }, 'Expected `payload` to be a Standard Schema validator'],
    [{ name: 'a', retries: 3 }, 'Unknown option "retries" in task().'],
    [{ name: 'a', maxAttempt: 3 }, 'Did you mean "maxAttempts"?'],
    [null, 'Expected the options of task() to be an object, got null'],
  ])('refuses %j', (options, message) => {
    const make = (): unknown => task(options as never)
    expect(make).toThrow(UsageError)
    expect(make).toThrow(message)
  })
})

describe('handle', () => {
  it('makes a task that can be worked of one that cannot, and leaves it as it is', async () => {
    const declared = task<{ n: number }>({ name: 'a', queue: 'q' })
    const one = declared.handle(({ n }) => n + 1)
    const two = declared.handle(({ n }) => n + 2)
    expect('run' in declared).toBe(false)
    expect([await one.run({ n: 1 }, job), await two.run({ n: 1 }, job)]).toEqual([2, 3])
    expect([one.name, one.queue, one.policy]).toEqual([declared.name, declared.queue, declared.policy])
    expect(() => declared.handle(undefined as never)).toThrow('Expected `handler` to be a function, got undefined')
  })
})

describe('with', () => {
  it('makes an entry and does nothing else', async () => {
    await using sim = await simulate()
    const declared = task<string>({ name: 'a' })
    const entry = declared.with('x', { delay: '1s' })
    expect(entry).toEqual({ task: declared, payload: 'x', options: { delay: '1s' } })
    await sim.jobs.enqueueMany([entry, entry])
    expect((await sim.jobs.list()).map(({ runAt }) => runAt)).toEqual([T + 1_000, T + 1_000])
  })
})

describe('a schema', () => {
  const schemas: readonly (readonly [string, HandledTask<{ n?: string }, { n: number }, number>])[] = [
    [
      'zod',
      task({ name: 'a', payload: z.object({ n: z.string().default('1').transform(Number) }), handler: ({ n }) => n }),
    ],
    [
      'valibot',
      task({
        name: 'a',
        payload: v.object({ n: v.optional(v.pipe(v.string(), v.transform(Number)), '1') }),
        handler: ({ n }) => n,
      }),
    ],
  ]

  it.each(schemas)(
    'of %s is checked at the enqueue, and gives the handler what it makes of the payload',
    async (_, work) => {
      await using sim = await simulate()
      await expect(sim.jobs.enqueue(work, { n: 1 } as never)).rejects.toThrow(PayloadError)
      const [one, two] = await sim.jobs.enqueueMany([work.with({ n: '7' }), work.with({})])
      expect((await sim.row(two!.id)).payload).toBe('{}') // stored as it was given: defaults are filled in when it runs
      sim.jobs.work([work])
      await sim.clock.settle()
      expect([(await sim.row(one!.id)).result, (await sim.row(two!.id)).result]).toEqual(['7', '1'])
    },
  )

  it('says every issue with its place', async () => {
    const work = task({ name: 'mail', payload: z.object({ to: z.string(), items: z.array(z.number()) }) })
    expect(() => work.check({ items: [1, 'two'] })).toThrow(
      'The payload is not one of task "mail": to: Invalid input: expected string, received undefined; items.1: Invalid input: expected number, received string',
    )
    expect(() => task({ name: 'n', payload: z.number() }).check('x')).toThrow(
      'The payload is not one of task "n": Invalid input: expected number, received string',
    )
  })

  it('that is asynchronous is waited for', async () => {
    const work = task({
      name: 'a',
      payload: z.string().refine(async (text) => await Promise.resolve(text !== 'no')),
      handler: (text) => text,
    })
    await expect(work.check('no')).rejects.toThrow(PayloadError)
    expect(await work.run('yes', job)).toBe('yes')
  })

  it('is not needed: types alone check nothing', () => {
    expect(task<{ n: number }>({ name: 'a' }).check('anything')).toBeUndefined()
  })
})
