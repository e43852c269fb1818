// The dashboard below /ops/jobs, in a scope of its own: with Fastify.
import Fastify, { type FastifyInstance } from 'fastify'
import type { Jobs } from 'jobferry'
import { dashboard, toNode } from 'jobferry/dashboard'

export function application(jobs: Jobs, token: string): FastifyInstance {
  const board = dashboard(jobs, { basePath: '/ops/jobs', tokens: { full: token } })
  const listener = toNode(board)
  const app = Fastify()
  app.get('/', () => 'The application itself')
  app.register(
    async (scope) => {
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, _body, done) => done(null)) // the dashboard reads bodies itself
      scope.all('/*', (request, reply) => {
        reply.hijack()
        listener(request.raw, reply.raw)
      })
    },
    { prefix: '/ops/jobs' },
  )
  return app
}
