// The dashboard below /ops/jobs, behind a middleware that lets administrators pass: with Express.
import express, { type Express, type RequestHandler } from 'express'
import type { Jobs } from 'jobferry'
import { dashboard, toNode } from 'jobferry/dashboard'

export function application(jobs: Jobs, onlyAdministrators: RequestHandler): Express {
  // Whoever comes as far as this is an administrator.
  const board = dashboard(jobs, { basePath: '/ops/jobs', authorize: () => 'full' })
  const app = express()
  app.use(express.json()) // may stand before it: a body that was read already is taken as it is
  app.get('/', (_, response) => void response.send('The application itself'))
  app.use('/ops/jobs', onlyAdministrators, toNode(board))
  return app
}
