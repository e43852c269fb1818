import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { type DashboardOptions, dashboard, toNode } from '../../src/dashboard/index.ts'
import type { Jobs } from '../../src/index.ts'

/** A dashboard on a port of its own, mounted at a path as an application would. */
export interface Stage extends AsyncDisposable {
  /** Ends with a slash. */
  readonly url: string
  /** Ends the server and cuts its connections, as when its machine dies. */
  stop(): Promise<void>
  /** Starts it again on the same port. */
  start(): Promise<void>
}

/** Serves the dashboard of these jobs below `/admin/jobs/`. */
export async function newStage(jobs: Jobs, options: DashboardOptions = { authorize: () => 'full' }): Promise<Stage> {
  let server: Server | undefined
  let end: (() => void) | undefined
  let port = 0
  const start = async (): Promise<void> => {
    const handle = dashboard(jobs, { basePath: '/admin/jobs', ...options })
    server = createServer(toNode(handle))
    end = () => handle.close()
    await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  }
  const stop = async (): Promise<void> => {
    end?.()
    server?.closeAllConnections()
    await new Promise((resolve) => server?.close(resolve))
  }
  await start()
  return { url: `http://127.0.0.1:${port}/admin/jobs/`, start, stop, [Symbol.asyncDispose]: stop }
}
