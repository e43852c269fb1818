// The dashboard below /ops/jobs, for users of the application: with Hono.
import { Hono } from 'hono'
import type { Jobs } from 'jobferry'
import { type Access, dashboard } from 'jobferry/dashboard'

/** @param accessOf what the application knows of the sender, by its session */
export function application(jobs: Jobs, accessOf: (request: Request) => Promise<Access>): Hono {
  const board = dashboard(jobs, { basePath: '/ops/jobs', authorize: accessOf, hosts: ['localhost', 'app.example.com'] })
  const app = new Hono()
  app.get('/', (c) => c.text('The application itself'))
  app.mount('/ops/jobs', board)
  return app
}
