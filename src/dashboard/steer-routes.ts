import { toMs } from '../core/duration.ts'
import { StateError, UsageError } from '../core/errors.ts'
import { expectKnown, expectName, expectOneOf, expectWhole } from '../core/expect.ts'
import { toInstant } from '../core/schedule.ts'
import type { EnqueueOptions } from '../enqueue-options.ts'
import type { EditOptions } from '../steering.ts'
import { task as declare } from '../task.ts'
import { TokenAccess } from './access.ts'
import type { Desk } from './desk.ts'
import { Refusal } from './problem.ts'
import { toLook } from './look.ts'
import type { Act, Targets } from './operations.ts'
import { detailOf, jobOf, sessionOf } from './read-routes.ts'
import { json, respond } from './respond.ts'
import type { Route } from './route.ts'
import type { BulkAction, Cancelled } from './shapes.ts'
import { countsOf, sumOf, toQueueView, toState } from './views.ts'

type Body = Readonly<Record<string, unknown>>

const usualReason = 'cancelled in the dashboard'
const mostIds = 1_000

/** What changes something. */
export const steerRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: 'api/session',
    access: 'none',
    run({ desk, url, body }) {
      expectKnown(body, ['token'], 'POST api/session')
      const { authorize, base } = desk.settings
      if (!(authorize instanceof TokenAccess))
        throw new Refusal(404, 'not-found', 'This dashboard has no tokens: the application says who may use it.')
      const signed = typeof body['token'] === 'string' ? authorize.signIn(body['token'], base, secure(url)) : undefined
      if (signed === undefined) throw new Refusal(401, 'unauthorized', 'This token is not known.')
      return json(sessionOf(desk, signed.access, true), 200, { 'set-cookie': signed.cookie })
    },
  },
  {
    method: 'DELETE',
    path: 'api/session',
    access: 'none',
    run({ desk, url }) {
      const { authorize, base } = desk.settings
      const cookie = authorize instanceof TokenAccess ? { 'set-cookie': authorize.signOut(base, secure(url)) } : {}
      return respond(204, null, cookie)
    },
  },
  {
    method: 'PATCH',
    path: 'api/queues',
    access: 'full',
    async run({ desk, body }) {
      expectKnown(body, ['queue', 'paused', 'concurrency', 'priority'], 'PATCH api/queues')
      const queue = expectName(body['queue'], 'queue', 255, 0)
      await configure(desk, queue, body)
      const stats = (await desk.ferry.store.queues()).find((one) => one.queue === queue)
      if (stats === undefined) throw new Refusal(404, 'not-found', `There is no queue "${queue}".`)
      return json(toQueueView(stats))
    },
  },
  {
    method: 'POST',
    path: 'api/jobs',
    access: 'full',
    run: async ({ desk, body }) => json(await enqueue(desk, body), 201),
  },
  {
    method: 'PATCH',
    path: 'api/jobs/{id}',
    access: 'full',
    async run({ desk, id, access, body }) {
      await edit(desk, id, toEdit(body, 'PATCH api/jobs/{id}'))
      return json(await detailOf(desk, id, access))
    },
  },
  {
    method: 'DELETE',
    path: 'api/jobs/{id}',
    access: 'full',
    async run({ desk, id }) {
      await act('delete', desk, {})(id)
      return respond(204, null)
    },
  },
  {
    method: 'POST',
    path: 'api/jobs/{id}/retry',
    access: 'full',
    async run({ desk, id, access, body }) {
      expectKnown(body, [], 'POST api/jobs/{id}/retry')
      await act('retry', desk, {})(id)
      return json(await detailOf(desk, id, access))
    },
  },
  {
    method: 'POST',
    path: 'api/jobs/{id}/run',
    access: 'full',
    async run({ desk, id, access, body }) {
      expectKnown(body, [], 'POST api/jobs/{id}/run')
      await act('run', desk, {})(id)
      return json(await detailOf(desk, id, access))
    },
  },
  {
    method: 'POST',
    path: 'api/jobs/{id}/cancel',
    access: 'full',
    async run({ desk, id, access, body }) {
      expectKnown(body, ['reason'], 'POST api/jobs/{id}/cancel')
      const outcome = await desk.jobs.cancel(expectName(id, 'id'), toReason(body['reason']))
      if (outcome === 'missing') throw new StateError(id, undefined, '')
      const cancelled: Cancelled = { outcome, job: await detailUnlessGone(desk, id, access) }
      return json(cancelled)
    },
  },
  {
    method: 'POST',
    path: 'api/operations',
    access: 'full',
    async run({ desk, body }) {
      expectKnown(body, ['action', 'ids', 'filter', 'edit', 'reason'], 'POST api/operations')
      const action = expectOneOf(body['action'], 'action', ['retry', 'cancel', 'delete', 'run', 'edit'])
      desk.expectAction(action)
      const one = act(action, desk, body)
      const targets = await targetsOf(desk, body)
      return json(desk.operations.start(action, targets, one), 202)
    },
  },
  {
    method: 'DELETE',
    path: 'api/operations/{id}',
    access: 'full',
    run: ({ desk, id }) => json(desk.operations.stop(id)),
  },
]

/** What one action does to one job. @throws UsageError for a bad edit or reason */
function act(action: BulkAction, desk: Desk, body: Body): Act {
  const { jobs } = desk
  switch (action) {
    case 'retry':
      return async (id) => await jobs.retry(id)
    case 'run':
      return async (id) => {
        desk.expectAction('run')
        await jobs.edit(id, { runAt: desk.ferry.clock.now() })
      }
    case 'edit': {
      const changes = toEdit(body['edit'], '`edit`')
      return async (id) => await edit(desk, id, changes)
    }
    case 'delete':
      return async (id) => {
        if (!(await jobs.delete(id))) throw new StateError(id, undefined, '')
      }
    case 'cancel': {
      const reason = toReason(body['reason'])
      return async (id) => {
        const outcome = await jobs.cancel(id, reason)
        if (outcome === 'missing') throw new StateError(id, undefined, '')
        if (outcome === 'finished') throw new StateError(id, 'finished', 'it cannot be cancelled any more')
      }
    }
  }
}

/** A new payload is checked where the job's task is known here. @throws PayloadError */
async function edit(desk: Desk, id: string, changes: EditOptions): Promise<void> {
  const { tasks } = desk.settings
  if ('payload' in changes && tasks.size > 0) {
    const { task } = await jobOf(desk, id)
    await tasks.get(task)?.check(changes.payload)
  }
  await desk.jobs.edit(id, changes)
}

async function targetsOf(desk: Desk, { ids, filter }: Body): Promise<Targets> {
  if ((ids === undefined) === (filter === undefined)) throw new UsageError('Expected either `ids` or `filter`')
  if (Array.isArray(ids)) {
    if (ids.length === 0 || ids.length > mostIds)
      throw new UsageError(`Expected 1 to ${mostIds} \`ids\`, got ${ids.length}`)
    return { ids: [...new Set(ids.map((id: unknown) => expectName(id, 'ids')))] }
  }
  desk.expectAction('list')
  expectKnown(
    filter,
    ['queue', 'task', 'state', 'createdFrom', 'createdUntil', 'uniqueKey', 'parent', 'text'],
    '`filter`',
  )
  const { state, ...rest }: Body = { ...Object(filter) }
  if (state === undefined) throw new UsageError('Expected `filter` to have a `state`; "any" takes jobs of all states')
  const look = toLook(state === 'any' ? rest : { ...rest, state })
  const counted = Object.keys(rest).every((name) => name === 'queue' || name === 'task')
  return { look, total: counted ? await countOf(desk, rest, state) : null }
}

/** How many jobs match, from the kept counters. */
async function countOf(desk: Desk, { queue, task }: Body, state: unknown): Promise<number> {
  const sum = sumOf(countsOf(await desk.ferry.store.queues(), queue, task))
  const only = toState(state)
  return only === undefined ? Object.values(sum).reduce((a, b) => a + b, 0) : sum[only]
}

async function configure({ jobs }: Desk, queue: string, { paused, concurrency, priority }: Body): Promise<void> {
  if (paused !== undefined && typeof paused !== 'boolean') throw new UsageError('Expected `paused` to be true or false')
  if (concurrency !== undefined || priority !== undefined) {
    await jobs.configure(queue, {
      ...(concurrency === undefined
        ? {}
        : { concurrency: concurrency === null ? null : expectWhole(concurrency, 'concurrency', 0, 1_000_000) }),
      ...(priority === undefined ? {} : { priority: expectWhole(priority, 'priority', -32_768, 32_767) }),
    })
  }
  if (paused === true) await jobs.pause(queue)
  if (paused === false) await jobs.resume(queue)
}

/** By the task's own declaration where the dashboard knows it: then its schema is checked. */
async function enqueue({ jobs, settings }: Desk, body: Body): Promise<object> {
  expectKnown(
    body,
    ['task', 'payload', 'queue', 'priority', 'runAt', 'delayMs', 'maxAttempts', 'uniqueKey'],
    'POST api/jobs',
  )
  const name = expectName(body['task'], 'task')
  const options: EnqueueOptions = {
    ...whenOf(body),
    ...(body['queue'] === undefined ? {} : { queue: expectName(body['queue'], 'queue', 255, 0) }),
    ...(body['priority'] === undefined ? {} : { priority: expectWhole(body['priority'], 'priority', -32_768, 32_767) }),
    ...(body['maxAttempts'] === undefined
      ? {}
      : { maxAttempts: expectWhole(body['maxAttempts'], 'maxAttempts', 1, 10_000) }),
    ...(body['uniqueKey'] === undefined ? {} : { unique: { key: expectName(body['uniqueKey'], 'uniqueKey') } }),
  }
  const task = settings.tasks.get(name) ?? declare<unknown>({ name })
  const [enqueued] = await jobs.enqueueMany([{ task, payload: body['payload'], options }])
  return { id: enqueued?.id ?? '', outcome: enqueued?.outcome ?? 'added' }
}

function toEdit(given: unknown, where: string): EditOptions {
  expectKnown(given, ['payload', 'priority', 'runAt', 'delayMs', 'maxAttempts'], where)
  const body: Body = { ...Object(given) }
  if (Object.keys(body).length === 0) throw new UsageError(`Expected ${where} to change something`)
  return {
    ...whenOf(body),
    ...('payload' in body ? { payload: body['payload'] } : {}),
    ...(body['priority'] === undefined ? {} : { priority: expectWhole(body['priority'], 'priority', -32_768, 32_767) }),
    ...(body['maxAttempts'] === undefined
      ? {}
      : { maxAttempts: expectWhole(body['maxAttempts'], 'maxAttempts', 1, 10_000) }),
  }
}

function whenOf({ runAt, delayMs }: Body): { readonly runAt?: number; readonly delay?: number } {
  return {
    ...(runAt === undefined ? {} : { runAt: toInstant(expectWhole(runAt, 'runAt', 0), 'runAt') }),
    ...(delayMs === undefined ? {} : { delay: toMs(expectWhole(delayMs, 'delayMs', 0), 'delayMs') }),
  }
}

function toReason(reason: unknown): string {
  return reason === undefined ? usualReason : expectName(reason, 'reason', 500)
}

/** A cancelled job may be forgotten at once. */
async function detailUnlessGone(desk: Desk, id: string, access: Parameters<typeof detailOf>[2]) {
  try {
    await jobOf(desk, id)
    return await detailOf(desk, id, access)
  } catch (error) {
    if (error instanceof StateError) return null
    throw error
  }
}

function secure(url: URL): boolean {
  return url.protocol === 'https:'
}
