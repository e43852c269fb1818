// The dashboard on a server of its own, for whoever sits at this machine: with node:http.
import { createServer, type Server } from 'node:http'

import type { Jobs } from 'jobferry'
import { dashboard, toNode } from 'jobferry/dashboard'

export function serve(jobs: Jobs, port: number): Server {
  const board = dashboard(jobs, { authorize: () => 'full' })
  return createServer(toNode(board)).listen(port, '127.0.0.1')
}
