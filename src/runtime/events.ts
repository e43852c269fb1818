import type { Instant, Job } from '../core/job.ts'

/** The part of a job that an event carries. `attempt` counts from 1, and is 0 for a job that was never run. */
export type JobFacts = Pick<Job, 'id' | 'task' | 'queue' | 'attempt' | 'maxAttempts'>

/** What an event may tell of a job: not its payload, which may be private, nor its lease. */
export function factsOf({ id, task, queue, attempt, maxAttempts }: Job): JobFacts {
  return { id, task, queue, attempt, maxAttempts }
}

/** What has happened. Facts: emitted in this process after the store has said ok. Times and lengths in milliseconds. */
export type JobEvent =
  | {
      readonly type: 'enqueued'
      readonly id: string
      readonly task: string
      readonly queue: string
      readonly outcome: 'added' | 'kept' | 'replaced'
    }
  | { readonly type: 'started'; readonly job: JobFacts; readonly waitedMs: number }
  | { readonly type: 'completed'; readonly job: JobFacts; readonly ranMs: number }
  /** An attempt failed and another follows at `runAt`. */
  | {
      readonly type: 'retrying'
      readonly job: JobFacts
      readonly ranMs: number
      readonly error: unknown
      readonly runAt: Instant
    }
  /** The job failed for good. */
  | { readonly type: 'failed'; readonly job: JobFacts; readonly ranMs: number; readonly error: unknown }
  | { readonly type: 'snoozed'; readonly job: JobFacts; readonly ranMs: number; readonly runAt: Instant }
  | { readonly type: 'released'; readonly job: JobFacts }
  /** A run ended cancelled, or `jobs.cancel` of this process ended a job that waited. */
  | { readonly type: 'cancelled'; readonly job: JobFacts; readonly reason: string | undefined }
  /** The run ended, but the job had been taken over or removed: nothing of it was kept. */
  | { readonly type: 'lost'; readonly job: JobFacts }
  /** A job whose worker died was taken back: it waits again, or has failed for good. */
  | { readonly type: 'rescued'; readonly job: JobFacts; readonly state: Job['state'] }
  | { readonly type: 'pruned'; readonly count: number }
  /** Something went wrong in the background; what was to be done is tried again. */
  | { readonly type: 'error'; readonly error: unknown; readonly during: string }

export type EventType = JobEvent['type']
export type EventOf<T extends EventType> = Extract<JobEvent, { readonly type: T }>
export type Listener<T extends EventType> = (event: EventOf<T>) => void

/** Hands events to listeners, in the order they subscribed. A listener that throws, or rejects, harms nobody: its error becomes an `error` event. */
export class Events {
  readonly #listeners = new Map<EventType | '*', Set<(event: JobEvent) => unknown>>()

  /** Subscribes to one type, or to all with `'*'`; the returned function ends it. The same function subscribed twice is called twice. */
  on(type: EventType | '*', listener: (event: JobEvent) => unknown): () => void {
    const own = (event: JobEvent): unknown => listener(event)
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(own))
    return () => void listeners.delete(own)
  }

  /** Whether anybody would hear it: saves making events for nobody. */
  heard(type: EventType): boolean {
    return (this.#listeners.get(type)?.size ?? 0) + (this.#listeners.get('*')?.size ?? 0) > 0
  }

  emit(event: JobEvent): void {
    for (const key of [event.type, '*'] as const) {
      for (const listener of this.#listeners.get(key) ?? []) {
        try {
          const returned = listener(event)
          if (returned instanceof Promise) returned.catch((error: unknown) => this.#blame(event, error))
        } catch (error) {
          this.#blame(event, error)
        }
      }
    }
  }

  /** Not for listeners of errors: their own would never end. */
  #blame({ type }: JobEvent, error: unknown): void {
    if (type !== 'error') this.emit({ type: 'error', error, during: `a listener for "${type}"` })
  }
}
