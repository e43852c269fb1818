import { expectName } from '../core/expect.ts'
import { StateError } from '../core/errors.ts'
import type { Job } from '../core/job.ts'
import { feed } from './feed.ts'
import { bodyLimitBytes } from './guard.ts'
import type { Desk } from './desk.ts'
import { clamped, largestPage, look, patienceMs, readQuery } from './look.ts'
import { openapi } from './openapi.ts'
import { previewChars } from './preview.ts'
import { json } from './respond.ts'
import type { Route } from './route.ts'
import type { Access, JobDetail, JobPage, LogPage, Session } from './shapes.ts'
import { TokenAccess } from './access.ts'
import { toDetail, toLogLine, toQueueView, toRow, toWorkerView } from './views.ts'
import { version } from '../version.ts'

const mostChildren = 50
const mostLogLines = 1_000

/** What looks and changes nothing. */
export const readRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: 'api/openapi.json',
    access: 'read',
    run: ({ desk }) => json(openapi(version(), desk.settings.base)),
  },
  {
    method: 'GET',
    path: 'api/session',
    access: 'none',
    run: ({ desk, request, access }) => {
      const { authorize } = desk.settings
      const signedIn = authorize instanceof TokenAccess && authorize.signedIn(request)
      return json(sessionOf(desk, access, signedIn))
    },
  },
  {
    method: 'GET',
    path: 'api/overview',
    access: 'read',
    run: async ({ desk }) => json(await desk.watch.overview()),
  },
  {
    method: 'GET',
    path: 'api/queues',
    access: 'read',
    run: async ({ desk: { ferry } }) =>
      json({ at: ferry.clock.now(), queues: (await ferry.store.queues()).map(toQueueView) }),
  },
  {
    method: 'GET',
    path: 'api/workers',
    access: 'read',
    async run({ desk }) {
      desk.expectAction('workers')
      const workers = await desk.jobs.workers()
      return json({ at: desk.ferry.clock.now(), workers: workers.map(toWorkerView) })
    },
  },
  {
    method: 'GET',
    path: 'api/jobs',
    access: 'read',
    async run({ desk, url }) {
      desk.expectAction('list')
      const { ferry, settings } = desk
      const { jobs, next, searched } = await look(ferry.store, readQuery(url.searchParams), settings.redact)
      const page: JobPage = {
        at: ferry.clock.now(),
        jobs: jobs.map((job) => toRow(job, settings.redact)),
        next,
        searched,
      }
      return json(page)
    },
  },
  {
    method: 'GET',
    path: 'api/jobs/{id}',
    access: 'read',
    run: async ({ desk, id, access }) => json(await detailOf(desk, id, access)),
  },
  {
    method: 'GET',
    path: 'api/jobs/{id}/logs',
    access: 'read',
    async run({ desk, id, url }) {
      desk.expectAction('logs')
      const job = await jobOf(desk, id)
      const after = clamped(url.searchParams.get('after') ?? 0, 'after', 0, Number.MAX_SAFE_INTEGER)
      const limit = clamped(url.searchParams.get('limit') ?? mostLogLines, 'limit', 1, mostLogLines)
      await desk.ferry.logbook.flush()
      const lines = await desk.ferry.store.logs(job.id, limit, after)
      const page: LogPage = {
        lines: lines.map((line) => toLogLine(line, job, desk.settings.redact)),
        after: lines.at(-1)?.seq ?? after,
      }
      return json(page)
    },
  },
  {
    method: 'GET',
    path: 'api/operations',
    access: 'read',
    run: ({ desk }) => json({ operations: desk.operations.list() }),
  },
  {
    method: 'GET',
    path: 'api/operations/{id}',
    access: 'read',
    run: ({ desk, id }) => json(desk.operations.get(id)),
  },
  {
    method: 'GET',
    path: 'api/events',
    access: 'read',
    run: ({ desk, request }) => feed(desk.watch, desk.ferry.clock, request.signal),
  },
]

export function sessionOf(desk: Desk, access: Access, signedIn: boolean): Session {
  const { jobs, settings } = desk
  const seen = access !== 'none'
  return {
    access,
    signIn: settings.authorize instanceof TokenAccess ? 'token' : null,
    signedIn,
    version: version(),
    store: seen ? jobs.storeName : null,
    capabilities: seen ? [...jobs.capabilities] : [],
    actions: desk.actions(access),
    tasks: seen
      ? [...settings.tasks.values()]
          .map(({ name, queue }) => ({ name, queue, checked: true }))
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      : [],
    limits: { pageSize: largestPage, bodyBytes: bodyLimitBytes, previewChars },
  }
}

/** All of a job, as it is now. @throws StateError when there is none */
export async function detailOf(desk: Desk, id: string, access: Access): Promise<JobDetail> {
  const { ferry, settings } = desk
  const job = await jobOf(desk, id)
  const children = ferry.store.capabilities.has('inspect')
    ? await ferry.store.list({ parent: job.id, order: 'oldest', limit: mostChildren, withinMs: patienceMs })
    : []
  return toDetail(
    job,
    children.map((child) => toRow(child, settings.redact)),
    desk.actions(access),
    settings.redact,
    ferry.clock.now(),
  )
}

/** @throws StateError when there is none · UsageError for what cannot be an id */
export async function jobOf({ ferry }: Desk, id: string): Promise<Job> {
  const [job] = await ferry.store.get([expectName(id, 'id')])
  if (job === undefined) throw new StateError(id, undefined, '')
  return job
}
