import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'

import { openapi } from '../../src/dashboard/openapi.ts'
import { routes } from '../../src/dashboard/dashboard.ts'
import { schemas } from '../../src/dashboard/schema.ts'
import { task } from '../../src/index.ts'
import { board, fill, mail } from './kit.ts'

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
ajv.addKeyword('components')
ajv.addSchema({ $id: 'all', components: { schemas } })

/** Throws, and says where, unless the document is exactly what the description says of this name. */
function expectShape(name: string, document: unknown): void {
  const validate = ajv.compile({ $ref: `all#/components/schemas/${name}` })
  expect({ name, errors: validate(document) ? null : validate.errors }).toEqual({ name, errors: null })
}

describe('the description', () => {
  it('has every route, with its method, and no other', () => {
    const { paths } = JSON.parse(JSON.stringify(openapi('1', '/')))
    const described = Object.entries(paths).flatMap(([path, of]) =>
      Object.keys(of as object).map((method) => `${method.toUpperCase()} ${path.slice(1)}`),
    )
    expect(described.toSorted()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).toSorted())
  })

  it('is served, and says where the dashboard is mounted', async () => {
    await using page = await board({ basePath: '/ops/jobs' })
    expect(await page.get('/ops/jobs/api/openapi.json')).toMatchObject({
      openapi: '3.1.0',
      servers: [{ url: '/ops/jobs' }],
    })
  })
})

describe('looking', () => {
  it('answers every GET in the shape that the description gives', async () => {
    await using page = await board({ tasks: [mail] })
    const { done, failed, again } = await fill(page)
    expectShape('Session', await page.get('api/session'))
    expectShape('Overview', await page.get('api/overview'))
    expectShape('QueueList', await page.get('api/queues'))
    expectShape('WorkerList', await page.get('api/workers'))
    expectShape('JobPage', await page.get('api/jobs'))
    expectShape('JobPage', await page.get('api/jobs?text=ann'))
    for (const id of [done, failed, again]) expectShape('JobDetail', await page.get(`api/jobs/${id}`))
    expectShape('LogPage', await page.get(`api/jobs/${done}/logs`))
    expectShape('OperationList', await page.get('api/operations'))
    expectShape('Problem', await page.get('api/jobs/nobody'))
    expect(page.errors).toEqual([])
  })

  it('counts by the kept counters, and says since when the job waits that has been due longest', async () => {
    await using page = await board()
    const { at: begin } = await page.get('api/overview')
    await fill(page)
    await page.jobs.enqueueMany([mail.with({ to: 'dan' }), mail.with({ to: 'eve' }, { delay: '1h' })])
    await page.clock.advance('5s')
    const overview = await page.get('api/overview')
    expect(overview.counts).toEqual({ pending: 3, running: 0, completed: 1, failed: 1, cancelled: 0 })
    expect(overview.queues).toMatchObject([{ queue: 'email', tasks: [{ task: 'mail', counts: overview.counts }] }])
    expect(overview.oldestDueAt).toBe(begin)
    await page.jobs.pause('email')
    expect((await page.get('api/overview')).oldestDueAt).toBeNull()
  })

  it('lists by keyset pages of at most 200, whatever is asked for', async () => {
    await using page = await board()
    const added = await page.jobs.enqueueMany(Array.from({ length: 250 }, (_, n) => mail.with({ to: `${n}` })))
    const ids = added.map(({ id }) => id).toReversed()
    const first = await page.get('api/jobs?limit=99999999999999999999')
    expect(first.jobs.map((job: { id: string }) => job.id)).toEqual(ids.slice(0, 200))
    const second = await page.get(`api/jobs?limit=200&after=${first.next}`)
    expect(second.jobs.map((job: { id: string }) => job.id)).toEqual(ids.slice(200))
    expect(second.next).toBeNull()
    expect((await page.get('api/jobs?limit=-5')).jobs).toHaveLength(1)
  })

  it.each([
    ['queue=email', 3],
    ['queue=', 0],
    ['task=mail&state=completed', 1],
    ['state=failed', 1],
    ['createdFrom=0', 3],
    ['createdFrom=8640000000000001', 0],
    ['createdUntil=1', 0],
    ['uniqueKey=none', 0],
    ['parent=none', 0],
    ['text=ANN', 1],
    ['text="to":"b', 1],
    ['text=nowhere', 0],
    ['id=nobody', 0],
  ])('finds by %s', async (query, count) => {
    await using page = await board()
    await fill(page)
    expect((await page.get(`api/jobs?${query}`)).jobs).toHaveLength(count)
  })

  it('finds one job by its id, if all else holds', async () => {
    await using page = await board()
    const { done } = await fill(page)
    expect((await page.get(`api/jobs?id=${done}&state=completed`)).jobs).toMatchObject([{ id: done }])
    expect((await page.get(`api/jobs?id=${done}&state=failed`)).jobs).toEqual([])
    expect((await page.get(`api/jobs?id=${done}&text=bob`)).jobs).toEqual([])
  })

  it.each([
    'state=done',
    'order=up',
    'limit=many',
    'limt=3',
    'createdFrom=yesterday',
    'state=failed&state=failed',
    'text=',
  ])('refuses %s, and says what it takes', async (query) => {
    await using page = await board()
    const response = await page.ask('GET', `api/jobs?${query}`)
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({ code: 'usage', status: 400, detail: expect.stringMatching(/\w{3}/) })
  })

  it('looks through at most 2,000 jobs for a text, and goes on where it was', async () => {
    await using page = await board({}, 'memory:')
    await page.jobs.enqueueMany([mail.with({ to: 'needle' })])
    await page.jobs.enqueueMany(Array.from({ length: 2_000 }, () => mail.with({ to: 'hay' })))
    const first = await page.get('api/jobs?text=needle')
    expect(first).toMatchObject({ jobs: [], searched: 2_000, next: expect.any(String) })
    expect(await page.get(`api/jobs?text=needle&after=${first.next}`)).toMatchObject({
      jobs: [{ payload: '{"to":"needle"}' }],
      searched: 1,
      next: null,
    })
  })

  it('ends a page of very large jobs early, and goes on where it was', async () => {
    await using page = await board()
    const large = 'x'.repeat(400_000)
    await page.jobs.enqueueMany(Array.from({ length: 110 }, () => mail.with({ to: large })))
    const first = await page.get('api/jobs?limit=200')
    expect(first.jobs).toHaveLength(50)
    expect((await page.get(`api/jobs?limit=200&after=${first.next}`)).jobs).toHaveLength(50)
  })

  it('shows a job with its failures and their stacks, its payload, its result and its children', async () => {
    await using page = await board()
    const { done, failed } = await fill(page)
    expect(await page.get(`api/jobs/${done}`)).toMatchObject({
      state: 'completed',
      payload: { kind: 'json', text: '{\n  "to": "ann"\n}', size: 12, cut: false, redacted: false },
      result: { kind: 'json', text: '{\n  "sent": "ann"\n}' },
      failures: [],
      actions: ['retry', 'delete', 'logs'],
    })
    expect(await page.get(`api/jobs/${failed}`)).toMatchObject({
      state: 'failed',
      failures: [
        { attempt: 1, name: 'TypeError', message: 'No mailbox bob', stack: expect.stringContaining('kit.ts') },
      ],
    })
    expect((await page.get('api/jobs?state=failed')).jobs).toMatchObject([{ failure: 'TypeError: No mailbox bob' }])
  })

  it('shows the jobs that a job has enqueued', async () => {
    await using page = await board()
    const { id } = await page.jobs.enqueue(task({ name: 'root' }))
    const held = await page.jobs.lease()
    await held!.complete()
    const parented = task({ name: 'root' }).handle(async (_, job) => void (await job.enqueue(mail, { to: 'x' })))
    await page.jobs.retry(id)
    const worker = page.jobs.work([parented])
    await page.clock.settle()
    await page.clock.during(worker.stop())
    expect(await page.get(`api/jobs/${id}`)).toMatchObject({ children: [{ task: 'mail', parent: id }] })
  })

  it('gives the log from after a line, with its data', async () => {
    await using page = await board()
    const { done } = await fill(page)
    const log = await page.get(`api/jobs/${done}/logs`)
    expect(log.lines).toMatchObject([
      { level: 'info', message: 'sending', attempt: 1, data: { text: '{\n  "to": "ann"\n}' } },
    ])
    expect(await page.get(`api/jobs/${done}/logs?after=${log.after}`)).toEqual({ lines: [], after: log.after })
  })

  it('shows who is alive, what they run, and what came of it', async () => {
    await using page = await board()
    await fill(page)
    const hang = task({ name: 'hang' }).handle(
      (_, job) => new Promise((resolve) => job.signal.addEventListener('abort', resolve)),
    )
    const worker = page.jobs.work([hang, mail], { concurrency: 3 })
    const [{ id }] = [await page.jobs.enqueue(hang)]
    await page.jobs.enqueue(mail, { to: 'x' })
    await page.clock.advance('6s')
    const { workers } = await page.get('api/workers')
    expectShape('WorkerList', { at: 0, workers })
    expect(workers).toMatchObject([
      {
        concurrency: 3,
        running: 1,
        runs: [{ id, task: 'hang' }],
        tasks: [
          { task: 'hang', completed: 0 },
          { task: 'mail', completed: 1, failed: 0 },
        ],
      },
    ])
    await page.clock.during(worker.stop({ grace: 0 }))
  })

  it('shows how fast it went, from what workers count', async () => {
    await using page = await board()
    const worker = page.jobs.work([mail], { concurrency: 10 })
    await page.clock.advance('6s')
    await page.get('api/overview')
    await page.jobs.enqueueMany(Array.from({ length: 50 }, () => mail.with({ to: 'x' })))
    await page.clock.advance('6s')
    const { series } = await page.get('api/overview')
    expect(series.points.at(-1)).toMatchObject({ completed: 10, failed: 0, waitMs: 0, runMs: 0 })
    await page.clock.during(worker.stop())
  })

  it('answers HEAD as GET, without a body', async () => {
    await using page = await board()
    const response = await page.ask('HEAD', 'api/queues')
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      'application/json',
      '',
    ])
  })
})

describe('steering', () => {
  it('retries, runs now, edits, cancels and deletes one job, and shows it as it is then', async () => {
    await using page = await board()
    const { done, failed, again } = await fill(page)
    const now = page.clock.now()
    expect(await page.post(`api/jobs/${failed}/retry`)).toMatchObject({ id: failed, state: 'pending', maxAttempts: 2 })
    expect(await page.post(`api/jobs/${again}/run`)).toMatchObject({ id: again, runAt: now })
    const edited = await page.post(
      `api/jobs/${again}`,
      { payload: { to: 'new' }, priority: 5, delayMs: 1_000 },
      'PATCH',
    )
    expectShape('JobDetail', edited)
    expect(edited).toMatchObject({ priority: 5, runAt: now + 1_000, payload: { text: '{\n  "to": "new"\n}' } })
    const cancelled = await page.post(`api/jobs/${again}/cancel`, { reason: 'not wanted' })
    expectShape('Cancelled', cancelled)
    expect(cancelled).toMatchObject({ outcome: 'cancelled', job: { state: 'cancelled', cancel: 'not wanted' } })
    expect((await page.ask('DELETE', `api/jobs/${done}`)).status).toBe(204)
    expect((await page.ask('GET', `api/jobs/${done}`)).status).toBe(404)
  })

  it.each([
    ['POST', 'retry', {}, 404, 'not-found'],
    ['POST', 'cancel', {}, 404, 'not-found'],
    ['POST', 'run', {}, 404, 'not-found'],
    ['PATCH', '', { priority: 1 }, 404, 'not-found'],
    ['DELETE', '', undefined, 404, 'not-found'],
  ])('says so when there is no such job: %s %s', async (method, verb, body, status, code) => {
    await using page = await board()
    const response = await page.ask(method, `api/jobs/nobody${verb === '' ? '' : `/${verb}`}`, body)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ code })
  })

  it('refuses what the state of the job does not allow', async () => {
    await using page = await board()
    const { done } = await fill(page)
    for (const [method, path, body] of [
      ['POST', '/run', {}],
      ['PATCH', '', { priority: 1 }],
    ] as const)
      expect((await page.ask(method, `api/jobs/${done}${path}`, body)).status).toBe(409)
    expect(await page.post(`api/jobs/${done}/cancel`)).toMatchObject({ outcome: 'finished' })
  })

  it('pauses, resumes and limits a queue', async () => {
    await using page = await board()
    await fill(page)
    const changed = await page.post(
      'api/queues',
      { queue: 'email', paused: true, concurrency: 3, priority: -2 },
      'PATCH',
    )
    expectShape('QueueView', changed)
    expect(changed).toMatchObject({ queue: 'email', paused: true, concurrency: 3, priority: -2 })
    expect(await page.post('api/queues', { queue: 'email', paused: false, concurrency: null }, 'PATCH')).toMatchObject({
      paused: false,
      concurrency: null,
      priority: -2,
    })
  })

  it('enqueues and edits by hand, checked by the schema of a task that it knows', async () => {
    const strict = task({
      name: 'strict',
      queue: 'q',
      payload: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value: unknown) =>
            value === 1 ? { value } : { issues: [{ message: 'Expected 1', path: ['to', 0] }] },
        },
      },
    })
    await using page = await board({ tasks: [strict] })
    const added = await page.ask('POST', 'api/jobs', { task: 'strict', payload: 1, uniqueKey: 'k', delayMs: 60_000 })
    expect(added.status).toBe(201)
    const { id, outcome } = (await added.json()) as { id: string; outcome: string }
    expect(outcome).toBe('added')
    expect(await page.get(`api/jobs/${id}`)).toMatchObject({
      queue: 'q',
      unique: { key: 'k' },
      runAt: page.clock.now() + 60_000,
    })
    expect(await page.post('api/jobs', { task: 'strict', payload: 1, uniqueKey: 'k' })).toEqual({ id, outcome: 'kept' })
    const refused = await page.ask('POST', 'api/jobs', { task: 'strict', payload: 2 })
    expect(refused.status).toBe(422)
    const problem = await refused.json()
    expectShape('Problem', problem)
    expect(problem).toMatchObject({ code: 'payload', issues: [{ message: 'Expected 1', path: 'to.0' }] })
    expect((await page.ask('PATCH', `api/jobs/${id}`, { payload: 2 })).status).toBe(422)
    const { id: operation } = await page.post('api/operations', { action: 'edit', ids: [id], edit: { payload: 2 } })
    await page.clock.settle()
    expect(await page.get(`api/operations/${operation}`)).toMatchObject({
      failed: 1,
      failures: [{ id, message: 'The payload is not one of task "strict": to.0: Expected 1' }],
    })
    expect(await page.post('api/jobs', { task: 'unknown' })).toMatchObject({ outcome: 'added' })
  })

  it('changes many jobs by id or by filter, tells how far it is, and skips those that do not allow it', async () => {
    await using page = await board()
    const { done, failed, again } = await fill(page)
    const byId = await page.post('api/operations', { action: 'retry', ids: [failed, done, 'nobody', failed] })
    expectShape('Operation', byId)
    await page.clock.settle()
    expect(await page.get(`api/operations/${byId.id}`)).toMatchObject({
      state: 'done',
      total: 3,
      seen: 3,
      done: 2,
      skipped: 1,
    })
    const all = { action: 'cancel', filter: { state: 'pending', queue: 'email' }, reason: 'all of them' }
    const byFilter = await page.post('api/operations', all)
    expect(byFilter.total).toBe(3)
    await page.clock.settle()
    expectShape('OperationList', await page.get('api/operations'))
    expect(await page.get(`api/operations/${byFilter.id}`)).toMatchObject({
      state: 'done',
      seen: 3,
      done: 3,
      skipped: 0,
    })
    expect(await page.get(`api/jobs/${again}`)).toMatchObject({ state: 'cancelled', cancel: 'all of them' })
  })

  it('goes through more than a page, with a text too, and leaves alone what comes meanwhile', async () => {
    await using page = await board()
    await page.jobs.enqueueMany(Array.from({ length: 350 }, (_, n) => mail.with({ to: n % 2 === 0 ? 'even' : 'odd' })))
    const { id } = await page.post('api/operations', {
      action: 'edit',
      filter: { state: 'pending', text: 'even' },
      edit: { priority: 7 },
    })
    await page.clock.settle()
    expect(await page.get(`api/operations/${id}`)).toMatchObject({ state: 'done', total: null, done: 175, skipped: 0 })
    const deletion = await page.post('api/operations', { action: 'delete', filter: { state: 'any' } })
    await page.clock.settle()
    expect(await page.get(`api/operations/${deletion.id}`)).toMatchObject({ total: 350, done: 350 })
    expect(await page.jobs.list()).toEqual([])
  })

  it('stops when asked to: what is done stays done', async () => {
    await using page = await board()
    await page.jobs.enqueueMany(Array.from({ length: 300 }, () => mail.with({ to: 'x' })))
    const { id } = await page.post('api/operations', { action: 'cancel', filter: { state: 'pending' } })
    await page.ask('DELETE', `api/operations/${id}`)
    await page.clock.settle()
    const { state, done } = await page.get(`api/operations/${id}`)
    expect(state).toBe('stopped')
    expect(done).toBeLessThan(300)
  })

  it.each([
    [{ action: 'explode', ids: ['a'] }],
    [{ action: 'retry' }],
    [{ action: 'retry', ids: [] }],
    [{ action: 'retry', ids: ['a'], filter: { state: 'failed' } }],
    [{ action: 'delete', filter: {} }],
    [{ action: 'delete', filter: { state: 'any', limit: 3 } }],
    [{ action: 'delete', ids: 'a' }],
    [{ action: 'edit', ids: ['a'] }],
    [{ action: 'edit', ids: ['a'], edit: { state: 'completed' } }],
    [{ action: 'cancel', ids: ['a'], reason: 5 }],
    [{ action: 'run', filter: { state: 'any', text: 5 } }],
  ])('refuses a bad operation before it begins: %j', async (body) => {
    await using page = await board()
    expect((await page.ask('POST', 'api/operations', body)).status).toBe(400)
    expect((await page.get('api/operations')).operations).toEqual([])
  })

  it('tells what the store cannot do, and refuses it', async () => {
    await using page = await board({}, 'memory:')
    const { actions, capabilities } = await page.get('api/session')
    expect(capabilities).not.toContain('transaction')
    expect(actions).toContain('list')
  })
})
