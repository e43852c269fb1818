import { dashboard, type DashboardOptions } from '../../src/dashboard/index.ts'
import { type Jobs, task } from '../../src/index.ts'
import { openTesting, type Testing } from '../../src/testing/index.ts'

/** Fails when its payload says so; tells its log what it does. */
export const mail = task<{ to: string; fails?: boolean }>({
  name: 'mail',
  queue: 'email',
  maxAttempts: 2,
  backoff: '1m',
}).handle(({ to, fails }, job) => {
  job.log.info('sending', { to })
  if (fails === true) throw new TypeError(`No mailbox ${to}`)
  return { sent: to }
})

export const origin = 'http://localhost:7654'

/** What a page of ours sends with every mutation. */
export const own = { 'x-jobferry': '1', 'content-type': 'application/json', origin, 'sec-fetch-site': 'same-origin' }

/** Jobs, a clock that moves when told, and a dashboard over them that everybody may use unless it is said otherwise. */
export async function board(
  options: Partial<DashboardOptions> = {},
  source: 'memory:' | 'sqlite::memory:' = 'sqlite::memory:',
) {
  const testing = await openTesting(source)
  return {
    ...over(testing.jobs, options),
    jobs: testing.jobs,
    clock: testing.clock,
    drain: async () => await testing.drain([mail]),
    [Symbol.asyncDispose]: async () => await testing.close(),
  }
}

export function over(jobs: Jobs, options: Partial<DashboardOptions> = {}) {
  const errors: unknown[] = []
  const access =
    options.tokens === undefined && options.authorize === undefined ? { authorize: () => 'full' as const } : {}
  const handler = dashboard(jobs, { onError: (error) => errors.push(error), ...access, ...options })
  /** A request as our page makes it; a header given as undefined is left out. */
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string | undefined> = {},
  ) => {
    const all = Object.entries({ host: 'localhost:7654', ...(method === 'GET' ? {} : own), ...headers })
    const response = await handler(
      new Request(`${origin}${path.startsWith('/') ? '' : '/'}${path}`, {
        method,
        headers: all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as [string, string]])),
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    )
    return response
  }
  /** What came, as JSON. */
  const get = async (path: string) => JSON.parse(await (await ask('GET', path)).text())
  const post = async (path: string, body: unknown = {}, method = 'POST') =>
    JSON.parse(await (await ask(method, path, body)).text())
  return { handler, ask, get, post, errors }
}

/** One job completed, one failed for good, one that waits for its second attempt. */
export async function fill({ jobs, drain }: Pick<Testing, 'jobs'> & { readonly drain: () => Promise<unknown> }) {
  const [done, failed, again] = await jobs.enqueueMany([
    mail.with({ to: 'ann' }),
    mail.with({ to: 'bob', fails: true }, { maxAttempts: 1 }),
    mail.with({ to: 'cid', fails: true }),
  ])
  await drain()
  return { done: done!.id, failed: failed!.id, again: again!.id }
}
