// The dashboard below /ops/jobs as a Next.js route handler: app/ops/jobs/[[...path]]/route.ts.
import { type Dashboard, dashboard } from 'jobferry/dashboard'

import { getJobs } from './jobs.ts'

export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

let board: Promise<Dashboard> | undefined

async function handle(request: Request): Promise<Response> {
  board ??= getJobs().then((jobs) =>
    dashboard(jobs, {
      basePath: '/ops/jobs',
      hosts: ['localhost', 'app.example.com'],
      tokens: { full: process.env['DASHBOARD_TOKEN'] },
    }),
  )
  return await (
    await board
  )(request)
}

export { handle as DELETE, handle as GET, handle as PATCH, handle as POST }
