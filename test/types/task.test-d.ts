import { pipe as vPipe, number as vNumber, object as vObject, optional as vOptional, string as vString } from 'valibot'
import { transform as vTransform } from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

import {
  type Enqueued,
  type Entry,
  type HandledTask,
  type Jobs,
  type RunningJob,
  type Task,
  task,
} from '../../src/index.ts'

declare const jobs: Jobs

const sendEmail = task<{ to: string; body?: string }>({ name: 'send-email' })
const tick = task({ name: 'tick' })
const maybe = task<{ n: number } | undefined>({ name: 'maybe' })
const bytes = task<Uint8Array>({ name: 'bytes' })

describe('a payload by types alone', () => {
  it('is what the enqueue wants, and answers with what happened', () => {
    expectTypeOf(jobs.enqueue(sendEmail, { to: 'a' })).toEqualTypeOf<Promise<Enqueued>>()
    expectTypeOf<Enqueued['outcome']>().toEqualTypeOf<'added' | 'kept' | 'replaced'>()
    expectTypeOf<Enqueued['id']>().toEqualTypeOf<string>()
    void jobs.enqueue(bytes, new Uint8Array())
  })

  it('is refused in any other shape', () => {
    // @ts-expect-error -- a number is no address
    void jobs.enqueue(sendEmail, { to: 1 })
    // @ts-expect-error -- the address is missing
    void jobs.enqueue(sendEmail, {})
    // @ts-expect-error -- nobody reads this
    void jobs.enqueue(sendEmail, { to: 'a', too: 'b' })
    // @ts-expect-error -- text is no bytes
    void jobs.enqueue(bytes, 'abc')
  })

  it('must be given', () => {
    // @ts-expect-error -- the payload is missing
    void jobs.enqueue(sendEmail)
    // @ts-expect-error -- the payload is missing
    sendEmail.with()
  })

  it('may be left out where it may be undefined', () => {
    void jobs.enqueue(tick)
    void jobs.enqueue(tick, undefined, { delay: '5m' })
    void jobs.enqueue(maybe)
    void jobs.enqueue(maybe, { n: 1 })
    tick.with()
    // @ts-expect-error -- a task without a payload takes none
    void jobs.enqueue(tick, { n: 1 })
    // @ts-expect-error -- neither does it take options in the payload's place
    void jobs.enqueue(tick, { delay: '5m' })
  })
})

describe('what is no task', () => {
  it('is refused: a name, a handler, something that looks like one', () => {
    // @ts-expect-error -- tasks are values, not names
    void jobs.enqueue('send-email', { to: 'a' })
    // @ts-expect-error -- a function is no task
    void jobs.enqueue(() => undefined, { to: 'a' })
    // @ts-expect-error -- only task() makes tasks
    void jobs.enqueue({ name: 'send-email', queue: 'default' }, { to: 'a' })
  })
})

describe('a payload by schema', () => {
  const schema = z.object({ at: z.string().transform((text) => new Date(text)), retries: z.number().default(3) })
  const declared = task({ name: 'schema', payload: schema })

  it('takes what goes into the schema', () => {
    void jobs.enqueue(declared, { at: '2026-01-01' })
    void jobs.enqueue(declared, { at: '2026-01-01', retries: 1 })
    // @ts-expect-error -- what comes out of the schema does not go in
    void jobs.enqueue(declared, { at: new Date() })
    // @ts-expect-error -- not even with a default may it be something else
    void jobs.enqueue(declared, { at: '', retries: '1' })
  })

  it('gives the handler what comes out of it', () => {
    declared.handle((payload) => {
      expectTypeOf(payload).toEqualTypeOf<{ at: Date; retries: number }>()
    })
    task({
      name: 'schema',
      payload: schema,
      handler: (payload) => {
        expectTypeOf(payload).toEqualTypeOf<{ at: Date; retries: number }>()
      },
    })
  })

  it('gives the makers of keys what goes in', () => {
    task({
      name: 'schema',
      payload: schema,
      unique: (payload) => {
        expectTypeOf(payload.at).toEqualTypeOf<string>()
        return payload.at
      },
      concurrencyKey: (payload) => {
        expectTypeOf(payload.retries).toEqualTypeOf<number | undefined>()
        return undefined
      },
    })
  })

  it('may be of valibot, or of any other library that keeps to Standard Schema', () => {
    const fromValibot = task({
      name: 'valibot',
      payload: vObject({ n: vPipe(vString(), vTransform(Number)), m: vOptional(vNumber(), 1) }),
    })
    void jobs.enqueue(fromValibot, { n: '1' })
    // @ts-expect-error -- text goes in
    void jobs.enqueue(fromValibot, { n: 1 })
    fromValibot.handle((payload) => {
      expectTypeOf(payload).toEqualTypeOf<{ n: number; m: number }>()
    })
    expectTypeOf(fromValibot).toExtend<Task<{ n: string; m?: number | undefined }, { n: number; m: number }>>()
  })

  it('may be optional as a whole', () => {
    const optional = task({ name: 'optional', payload: z.object({ n: z.number() }).optional() })
    void jobs.enqueue(optional)
    void jobs.enqueue(optional, { n: 1 })
    optional.handle((payload) => {
      expectTypeOf(payload).toEqualTypeOf<{ n: number } | undefined>()
    })
  })
})

describe('a handler', () => {
  it('gets the payload and the job, and its answer is the result', () => {
    const handled = sendEmail.handle(async (payload, job) => {
      expectTypeOf(payload).toEqualTypeOf<{ to: string; body?: string }>()
      expectTypeOf(job).toEqualTypeOf<RunningJob>()
      return { sent: payload.to.length }
    })
    expectTypeOf(handled).toEqualTypeOf<
      HandledTask<{ to: string; body?: string }, { to: string; body?: string }, { sent: number }>
    >()
    const inline = task({ name: 'inline', payload: z.object({ n: z.number() }), handler: ({ n }) => n > 1 })
    expectTypeOf(inline).toExtend<HandledTask<{ n: number }, { n: number }, boolean>>()
    const alone = task<{ n: number }, string>({ name: 'alone', handler: ({ n }) => String(n) })
    expectTypeOf<(typeof alone)['run']>().returns.toEqualTypeOf<Promise<string>>()
  })

  it('is refused when it wants another payload', () => {
    // @ts-expect-error -- the task has no such payload
    sendEmail.handle((payload: { n: number }) => payload.n)
  })

  it('enqueues other tasks as strictly', () => {
    sendEmail.handle(async (_, job) => {
      expectTypeOf(await job.enqueue(tick)).toEqualTypeOf<Enqueued>()
      // @ts-expect-error -- the payload is missing
      void job.enqueue(sendEmail)
      // @ts-expect-error -- a number is no address
      void job.enqueue(sendEmail, { to: 1 })
    })
  })
})

describe('working', () => {
  it('takes tasks with a handler, of any payloads', () => {
    jobs.work([sendEmail.handle(() => undefined), tick.handle(() => 1)])
    jobs.work([task({ name: 'x', handler: () => undefined })], { concurrency: 3, queues: ['a'], lease: '30s' })
  })

  it('refuses a task that has none', () => {
    // @ts-expect-error -- there is nothing to run
    jobs.work([sendEmail])
    // @ts-expect-error -- one of them has none
    jobs.work([tick.handle(() => 1), sendEmail])
  })

  it('refuses options that nobody reads', () => {
    // @ts-expect-error -- it is `concurrency`
    jobs.work([tick.handle(() => 1)], { concurency: 3 })
    // @ts-expect-error -- a length of time has a unit
    jobs.work([tick.handle(() => 1)], { lease: '30' })
  })
})

describe('entries', () => {
  it('are made of a task with its payload, and stand together whatever their tasks', () => {
    const entries = [sendEmail.with({ to: 'a' }), tick.with(undefined, { priority: 1 }), bytes.with(new Uint8Array())]
    expectTypeOf(entries).toExtend<readonly Entry[]>()
    expectTypeOf(jobs.enqueueMany(entries)).toEqualTypeOf<Promise<readonly Enqueued[]>>()
  })

  it('are as strict as an enqueue', () => {
    // @ts-expect-error -- a number is no address
    sendEmail.with({ to: 1 })
    // @ts-expect-error -- nobody reads this
    tick.with(undefined, { dealy: '5m' })
    // @ts-expect-error -- a task is no entry
    void jobs.enqueueMany([tick])
  })
})

describe('the options of a task', () => {
  it('are known, and of their types', () => {
    task({ name: 'a', backoff: { type: 'exponential', delay: '5s', max: '10m', jitter: 0.2 }, timeout: '10s' })
    task({ name: 'a', backoff: (attempt, error) => (error instanceof Error ? attempt * 1_000 : '1m') })
    task({ name: 'a', retention: { completed: '6h', failed: 'forever', cancelled: false, payload: 'failed' } })
    // @ts-expect-error -- a task has a name
    task({ queue: 'a' })
    // @ts-expect-error -- nobody reads this
    task({ name: 'a', retires: 3 })
    // @ts-expect-error -- no such backoff
    task({ name: 'a', backoff: { type: 'quadratic', delay: '5s' } })
    // @ts-expect-error -- a length of time has a unit
    task({ name: 'a', timeout: '10 seconds' })
    // @ts-expect-error -- a validator is a Standard Schema
    task({ name: 'a', payload: (value: unknown) => value })
  })

  it('cannot be a function in the options of one job, which are stored', () => {
    void jobs.enqueue(tick, undefined, { backoff: '5s', unique: { key: 'k', until: 'settled', onConflict: 'reject' } })
    // @ts-expect-error -- a function cannot be stored
    void jobs.enqueue(tick, undefined, { backoff: () => 1 })
    // @ts-expect-error -- no such word
    void jobs.enqueue(tick, undefined, { unique: { key: 'k', onConflict: 'ignore' } })
  })
})
