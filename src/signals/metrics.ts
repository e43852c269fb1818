import { expectKnown, expectWhole } from '../core/expect.ts'
import { type Duration, toMs } from '../core/duration.ts'
import type { Jobs } from '../jobs.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { inTime } from './in-time.ts'
import { contentType, exposition, type Family } from './exposition.ts'
import { Fleet } from './fleet.ts'
import { Happened } from './happened.ts'
import { Seats } from './seats.ts'
import { gauge, queueGauges, workerGauges } from './store-gauges.ts'

export interface MetricsOptions {
  /** How many pairs of queue and task have series of their own; all others share `(other)`. Default 500. */
  readonly mostSeries?: number
  /** How long to wait for the store before going without it. Default '5s'. */
  readonly timeout?: Duration
  /** Whether to add up what the workers of all processes tell (`jobferry_workers_…`). Default true; let only one process be scraped for it. */
  readonly workers?: boolean
  /** Only for tests. */
  readonly clock?: Clock
}

/** What is to be known of a store and of this process, for Prometheus. */
export interface Metrics {
  /** The text format, version 0.0.4. Never rejects: without the store, `jobferry_store_up` is 0 and the rest is what this process knows. */
  text(): Promise<string>
  /** Answers GET and HEAD with the text. Bound to nothing: to be given to any server that speaks `Request` and `Response`. */
  readonly handler: (request: Request) => Promise<Response>
  /** Counts no more. */
  end(): void
}

/** Begins to count what happens here. Ask once for each opened store: twice counts twice. @throws UsageError for bad options */
export function metrics(jobs: Jobs, options: MetricsOptions = {}): Metrics {
  expectKnown(options, ['mostSeries', 'timeout', 'workers', 'clock'], 'metrics()')
  const mostSeries = options.mostSeries === undefined ? 500 : expectWhole(options.mostSeries, 'mostSeries', 1, 100_000)
  const timeoutMs = options.timeout === undefined ? 5_000 : toMs(options.timeout, 'timeout', 1)
  const { clock = systemClock, workers = true } = options
  const seats = new Seats(mostSeries)
  const happened = new Happened(jobs, seats)
  const fleet = new Fleet(new Seats(mostSeries))

  async function fromStore(): Promise<readonly Family[]> {
    const labels = { store: jobs.storeName }
    const up = (value: 0 | 1): Family =>
      gauge('jobferry_store_up', 'Whether the store has answered: 1, or 0.', [[labels, value]])
    try {
      const tells = workers && jobs.capabilities.has('workers')
      const asked = Promise.all([jobs.stats(), tells ? jobs.workers() : undefined])
      const [queues, present] = await inTime(asked, timeoutMs, clock)
      if (present !== undefined) fleet.look(present)
      const ofWorkers = present === undefined ? [] : [...workerGauges(present), ...fleet.families]
      return [up(1), ...queueGauges(queues, seats, clock.now()), ...ofWorkers]
    } catch {
      return [up(0), ...fleet.families] // what went wrong is for health and the log
    }
  }

  async function text(): Promise<string> {
    return exposition([...(await fromStore()), ...happened.families])
  }

  return {
    text,
    handler: async ({ method }) => {
      if (method !== 'GET' && method !== 'HEAD')
        return new Response('GET or HEAD\n', { status: 405, headers: { allow: 'GET, HEAD' } })
      const headers = { 'content-type': contentType, 'cache-control': 'no-store' }
      return new Response(method === 'HEAD' ? null : await text(), { headers })
    },
    end: () => happened.end(),
  }
}
