import { ownHeader } from './guard.ts'
import { largestPage } from './look.ts'
import type { Method } from './route.ts'
import { instant, ref, type Schema, schemas, state } from './schema.ts'

/** What the description says of one route. A body or answer is the name of a schema; `null` for none. */
interface Described {
  readonly method: Method
  readonly path: string
  readonly says: string
  readonly query?: Readonly<Record<string, Schema>>
  readonly takes?: string
  readonly status?: number
  readonly gives: string | null
}

const count: Schema = { type: 'integer', minimum: 0 }
const text: Schema = { type: 'string' }

const described: readonly Described[] = [
  { method: 'GET', path: 'api/openapi.json', says: 'This API, described.', gives: 'Anything' },
  {
    method: 'GET',
    path: 'api/session',
    says: 'What you may do here, and how to get more. Never 401.',
    gives: 'Session',
  },
  { method: 'POST', path: 'api/session', says: 'Gives a cookie for a token.', takes: 'SignIn', gives: 'Session' },
  { method: 'DELETE', path: 'api/session', says: 'Takes the cookie away.', status: 204, gives: null },
  { method: 'GET', path: 'api/overview', says: 'Counts, queues, and how it went lately.', gives: 'Overview' },
  { method: 'GET', path: 'api/queues', says: 'Every queue, with kept counts and settings.', gives: 'QueueList' },
  {
    method: 'PATCH',
    path: 'api/queues',
    says: 'Pauses, resumes or limits a queue. What is not given stays.',
    takes: 'QueueChange',
    gives: 'QueueView',
  },
  { method: 'GET', path: 'api/workers', says: 'The workers that are alive.', gives: 'WorkerList' },
  {
    method: 'GET',
    path: 'api/jobs',
    says: 'A page of jobs, by id. Filters narrow together. With `text` a page may be short though there is a next.',
    query: {
      queue: text,
      task: text,
      state,
      createdFrom: instant,
      createdUntil: instant,
      uniqueKey: text,
      parent: text,
      id: text,
      text: { type: 'string', maxLength: 200 },
      order: { type: 'string', enum: ['newest', 'oldest'] },
      after: text,
      limit: { type: 'integer', minimum: 1, maximum: largestPage, default: 50 },
    },
    gives: 'JobPage',
  },
  {
    method: 'POST',
    path: 'api/jobs',
    says: 'Adds a job. Its payload is checked where the task is known here.',
    takes: 'NewJob',
    status: 201,
    gives: 'Enqueued',
  },
  { method: 'GET', path: 'api/jobs/{id}', says: 'All of a job.', gives: 'JobDetail' },
  { method: 'PATCH', path: 'api/jobs/{id}', says: 'Changes a job that waits.', takes: 'JobEdit', gives: 'JobDetail' },
  { method: 'DELETE', path: 'api/jobs/{id}', says: 'Removes a job that does not run.', status: 204, gives: null },
  {
    method: 'POST',
    path: 'api/jobs/{id}/retry',
    says: 'Runs a finished or waiting job again, now, with at least one more attempt.',
    takes: 'Nothing',
    gives: 'JobDetail',
  },
  {
    method: 'POST',
    path: 'api/jobs/{id}/run',
    says: 'A waiting job is due now.',
    takes: 'Nothing',
    gives: 'JobDetail',
  },
  {
    method: 'POST',
    path: 'api/jobs/{id}/cancel',
    says: 'Cancels a waiting job, or asks a running one to stop.',
    takes: 'CancelReason',
    gives: 'Cancelled',
  },
  {
    method: 'GET',
    path: 'api/jobs/{id}/logs',
    says: "A job's log, oldest first, from after the line `after`.",
    query: { after: count, limit: { type: 'integer', minimum: 1, maximum: 1_000, default: 1_000 } },
    gives: 'LogPage',
  },
  { method: 'GET', path: 'api/operations', says: 'Changes to many jobs, the newest first.', gives: 'OperationList' },
  {
    method: 'POST',
    path: 'api/operations',
    says: 'Begins to change many jobs: those named, or all that match. It goes on by itself.',
    takes: 'BulkRequest',
    status: 202,
    gives: 'Operation',
  },
  { method: 'GET', path: 'api/operations/{id}', says: 'How far it is.', gives: 'Operation' },
  {
    method: 'DELETE',
    path: 'api/operations/{id}',
    says: 'Asks it to stop. What is done stays done.',
    gives: 'Operation',
  },
  {
    method: 'GET',
    path: 'api/events',
    says: 'text/event-stream: `overview` (Overview), `change` (Changed), `operation` (Operation), `end`.',
    gives: null,
  },
]

/** The API in OpenAPI 3.1. Paths are relative to where the dashboard is mounted. */
export function openapi(version: string, base: string): object {
  const paths = new Map<string, Record<string, object>>()
  for (const one of described) {
    const path = `/${one.path}`
    paths.set(path, { ...paths.get(path), [one.method.toLowerCase()]: operation(one) })
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'jobferry dashboard',
      version,
      description: 'Times are milliseconds since 1970. What is absent is null. Errors are problems as in RFC 9457.',
    },
    servers: [{ url: base === '/' ? '/' : base.slice(0, -1) }],
    security: [{ token: [] }, { cookie: [] }, {}],
    paths: Object.fromEntries(paths),
    components: {
      schemas: { ...schemas, Nothing: { type: 'object', maxProperties: 0 }, Anything: {} },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        cookie: { type: 'apiKey', in: 'cookie', name: 'jobferry', description: 'Given by POST api/session.' },
      },
    },
  }
}

function operation({ method, path, says, query = {}, takes, status = 200, gives }: Described): object {
  const inQuery = Object.entries(query).map(([name, schema]) => ({ name, in: 'query', schema }))
  const own = method === 'GET' ? [] : [{ name: ownHeader, in: 'header', required: true, schema: { const: '1' } }]
  const inPath = path.includes('{id}') ? [{ name: 'id', in: 'path', required: true, schema: text }] : []
  const feeds = path === 'api/events' ? { content: { 'text/event-stream': { schema: text } } } : {}
  return {
    summary: says,
    parameters: [...inPath, ...inQuery, ...own],
    ...(takes === undefined ? {} : { requestBody: { required: true, content: jsonOf(takes) } }),
    responses: {
      [status]: { description: gives ?? 'Done', ...(gives === null ? feeds : { content: jsonOf(gives) }) },
      default: { description: 'Problem', content: { 'application/problem+json': { schema: ref('Problem') } } },
    },
  }
}

function jsonOf(name: string): object {
  return { 'application/json': { schema: ref(name) } }
}
