import type { RunningJob } from './running-job.ts'
import type { Awaitable } from './store.ts'

/**
 * A step around every run: does something before, calls `next` once for the rest (further steps, then the handler), and returns what the
 * handler returned, or something else in its place. What it throws fails the attempt.
 */
export type Middleware = (job: RunningJob, next: () => Promise<unknown>) => Awaitable<unknown>
