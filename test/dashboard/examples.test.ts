import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { type Jobs, open, task } from 'jobferry'
import { toNode } from 'jobferry/dashboard'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import * as expressExample from '../../examples/dashboard/express.ts'
import * as fastifyExample from '../../examples/dashboard/fastify.ts'
import * as honoExample from '../../examples/dashboard/hono.ts'
import * as nodeExample from '../../examples/dashboard/node.ts'

const token = 'token-of-24-letters-here'
const report = task<{ day: string }>({ name: 'report' })

let jobs: Jobs
const ends: (() => unknown)[] = []
beforeEach(async () => {
  jobs = await open('sqlite::memory:')
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await jobs.close()
})

async function listening(server: Server): Promise<string> {
  ends.push(() => {
    server.close()
    server.closeAllConnections()
  })
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

/** Every example, listening: its address, where the dashboard is, and what gets in. */
const mounts: Readonly<Record<string, () => Promise<{ url: string; base: string; headers?: Record<string, string> }>>> =
  {
    'node:http': async () => ({ url: await listening(nodeExample.serve(jobs, 0)), base: '' }),
    Hono: async () => {
      const app = honoExample.application(jobs, async (request) =>
        request.headers.get('authorization') === `Bearer ${token}` ? 'full' : 'none',
      )
      const server = createServer(toNode((request) => app.fetch(request))).listen(0, '127.0.0.1')
      // Hosts by name there: 127.0.0.1 is not among them.
      return {
        url: (await listening(server)).replace('127.0.0.1', 'localhost'),
        base: '/ops/jobs',
        headers: { authorization: `Bearer ${token}` },
      }
    },
    Express: async () => {
      const app = expressExample.application(jobs, (request, response, next) =>
        request.headers.authorization === `Bearer ${token}` ? next() : void response.status(401).end(),
      )
      const url = await listening(createServer(app).listen(0, '127.0.0.1'))
      return { url, base: '/ops/jobs', headers: { authorization: `Bearer ${token}` } }
    },
    Fastify: async () => {
      const app = fastifyExample.application(jobs, token)
      ends.push(() => app.close())
      const url = await app.listen({ port: 0, host: '127.0.0.1' })
      return { url, base: '/ops/jobs', headers: { authorization: `Bearer ${token}` } }
    },
  }

it.each(Object.keys(mounts))(
  '%s serves the page, the API and the feed below its path, and leaves the rest alone',
  async (name) => {
    const { id } = await jobs.enqueue(report, { day: 'monday' })
    const { url, base, headers = {} } = await mounts[name]!()
    const call = async (method: string, path: string, body?: object) =>
      await fetch(`${url}${base}${path}`, {
        method,
        headers: {
          'x-jobferry': '1',
          origin: url,
          ...headers,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    for (const path of ['/', `/jobs/${id}`]) {
      const page = await call('GET', path)
      expect(page.headers.get('content-type')).toContain('text/html')
      expect(await page.text()).toContain(`<base href="${base}/"`)
    }
    expect(await (await call('GET', '/api/jobs?task=report')).json()).toMatchObject({ jobs: [{ id }] })
    const edited = await call('PATCH', `/api/jobs/${id}`, { payload: { day: 'tuesday' } })
    expect([edited.status, (await jobs.get(id))?.payload]).toEqual([200, { day: 'tuesday' }])
    const large = await call('POST', '/api/jobs', { task: 'report', payload: 'x'.repeat(1_048_576) })
    expect(large.status).toBe(413)
    expect((await call('DELETE', `/api/jobs/${id}`)).status).toBe(204)
    const feed = await call('GET', '/api/events')
    const stream = feed.body!.getReader()
    expect(new TextDecoder().decode((await stream.read()).value)).toContain('retry: 2000')
    await stream.cancel()
    if (base === '') return
    expect(await (await fetch(`${url}/`)).text()).toBe('The application itself')
    expect((await fetch(`${url}${base}/api/jobs`)).status).toBe(401)
  },
)

it('Next.js, called as it calls route handlers (it is not installed here), serves the page and the API', async () => {
  vi.stubEnv('DATABASE_URL', 'sqlite::memory:')
  vi.stubEnv('DASHBOARD_TOKEN', token)
  ends.push(() => vi.unstubAllEnvs())
  const { DELETE, GET, PATCH, POST } = await import('../../examples/dashboard/next/route.ts')
  const { getJobs } = await import('../../examples/dashboard/next/jobs.ts')
  ends.push(async () => await (await getJobs()).close())
  type Handler = (request: Request, context: { params: Promise<{ path?: string[] }> }) => Promise<Response>
  const call = async (handler: Handler, path: string, init: RequestInit = {}) =>
    await handler(
      new Request(`http://localhost:3000/ops/jobs${path}`, {
        ...init,
        headers: {
          host: 'app.example.com',
          authorization: `Bearer ${token}`,
          'x-jobferry': '1',
          'content-type': 'application/json',
        },
      }),
      { params: Promise.resolve({ path: path.split('/').slice(1) }) },
    )
  expect(await (await call(GET, '')).text()).toContain('<base href="/ops/jobs/"')
  const added = await call(POST, '/api/jobs', { method: 'POST', body: '{"task":"report","payload":{"day":"friday"}}' })
  expect(added.status).toBe(201)
  const [job] = await (await getJobs()).list()
  const edited = await call(PATCH, `/api/jobs/${job!.id}`, { method: 'PATCH', body: '{"priority":3}' })
  expect(await edited.json()).toMatchObject({ priority: 3 })
  expect((await call(DELETE, `/api/jobs/${job!.id}`, { method: 'DELETE' })).status).toBe(204)
  expect(await (await getJobs()).list()).toEqual([])
})
