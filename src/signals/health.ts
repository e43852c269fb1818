import { type Duration, toMs } from '../core/duration.ts'
import { expectKnown } from '../core/expect.ts'
import type { Jobs } from '../jobs.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { inTime } from './in-time.ts'

export interface HealthOptions {
  /** How long the store may take to answer. Default '2s'. */
  readonly timeout?: Duration
  /** Only for tests. */
  readonly clock?: Clock
}

/** How a program is, and why. */
export interface State {
  readonly ok: boolean
  /** The reasons, where it is not: sentences for people, without secrets. */
  readonly faults: readonly string[]
}

/** Handlers for whoever decides whether a process is to be restarted, or to be given work. Each answers 200 or 503, and JSON. */
export interface Health {
  /** Whether the process is alive: it answers, and its jobs are not closed. Asks the store nothing: a restart would not heal that. */
  readonly healthz: (request: Request) => Promise<Response>
  /** Whether it can do its work: as `ready`. */
  readonly readyz: (request: Request) => Promise<Response>
  /**
   * Ready is whoever has opened jobs, a store that answers in time, and whose workers, if there are any, neither stop nor had trouble with the store in
   * their last exchange. Never rejects.
   */
  ready(): Promise<State>
}

/** @throws UsageError for bad options */
export function health(jobs: Jobs, options: HealthOptions = {}): Health {
  expectKnown(options, ['timeout', 'clock'], 'health()')
  const timeoutMs = options.timeout === undefined ? 2_000 : toMs(options.timeout, 'timeout', 1)
  const { clock = systemClock } = options

  async function ready(): Promise<State> {
    const faults = [...ofWorkers(jobs), ...(await ofStore())]
    return { ok: faults.length === 0, faults }
  }

  async function ofStore(): Promise<readonly string[]> {
    if (jobs.closed) return ['these jobs are closed']
    try {
      await inTime(jobs.ping(), timeoutMs, clock)
      return []
    } catch (error) {
      return [`the ${jobs.storeName} store does not answer: ${error instanceof Error ? error.message : String(error)}`]
    }
  }

  const alive = (): State => (jobs.closed ? { ok: false, faults: ['these jobs are closed'] } : { ok: true, faults: [] })
  return {
    healthz: async (request) => answer(request, alive()),
    readyz: async (request) => answer(request, await ready()),
    ready,
  }
}

function ofWorkers({ ownWorkers }: Jobs): readonly string[] {
  return ownWorkers.flatMap((worker) => [
    ...(worker.state === 'working' ? [] : ['a worker is stopping']),
    ...(worker.failing ? ["a worker's last exchange with the store failed"] : []),
  ])
}

function answer({ method }: Request, state: State): Response {
  if (method !== 'GET' && method !== 'HEAD')
    return new Response('GET or HEAD\n', { status: 405, headers: { allow: 'GET, HEAD' } })
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  const body = method === 'HEAD' ? null : `${JSON.stringify(state)}\n`
  return new Response(body, { status: state.ok ? 200 : 503, headers })
}
