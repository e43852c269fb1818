import type { JobDetail } from '../../src/dashboard/shapes.ts'
import { length } from './format.ts'
import type { IconName } from './parts/icon.tsx'

/** What of a job its steps are read from. */
export type Life = Pick<
  JobDetail,
  'state' | 'attempt' | 'createdAt' | 'runAt' | 'startedAt' | 'finishedAt' | 'forgetAt' | 'cancel' | 'failures'
>

export interface Step {
  readonly key: string
  readonly kind: 'past' | 'now' | 'next' | 'failed' | 'completed' | 'cancelled'
  readonly icon: IconName
  readonly text: string
  readonly note?: string | undefined
  readonly at: number
}

/** What the timeline of a job shows, the oldest first: what has happened to it, what is happening, and what comes next. */
export function stepsOf(job: Life, at: number): readonly Step[] {
  const failures = earlierFailures(job).map((failure): Step => ({
    key: `failed-${failure.attempt}-${failure.at}`,
    kind: 'failed',
    icon: 'fail',
    text: `Attempt ${failure.attempt} failed`,
    note: failure.name,
    at: failure.at,
  }))
  return [
    { key: 'enqueued', kind: 'past', icon: 'plus', text: 'Enqueued', at: job.createdAt },
    ...failures,
    ...presentOf(job, at),
  ]
}

/** All but the one that was the end: its own step tells it. Instants alone do not tell them apart: a retry may succeed in the same millisecond. */
function earlierFailures({ failures, state, finishedAt }: Life): Life['failures'] {
  const last = failures.at(-1)
  const wasTheEnd =
    (state === 'failed' || state === 'cancelled') && finishedAt !== null && last !== undefined && last.at >= finishedAt
  return wasTheEnd ? failures.slice(0, -1) : failures
}

/** The latest run, and how it ended or goes on. */
function presentOf(job: Life, at: number): readonly Step[] {
  const { state, startedAt, finishedAt, runAt, attempt, forgetAt } = job
  const started: Step[] =
    startedAt === null
      ? []
      : [
          {
            key: 'started',
            kind: 'past',
            icon: 'play',
            text: `Attempt ${attempt} started`,
            note: waited(job),
            at: startedAt,
          },
        ]
  const forgotten: Step[] =
    forgetAt === null ? [] : [{ key: 'forgotten', kind: 'next', icon: 'clock', text: 'To be forgotten', at: forgetAt }]
  switch (state) {
    case 'pending':
      return runAt > at
        ? [{ key: 'due', kind: 'next', icon: 'clock', text: attempt > 0 ? 'Next attempt due' : 'Due', at: runAt }]
        : [{ key: 'waits', kind: 'now', icon: 'wait', text: 'Due, waits for a worker', at: runAt }]
    case 'running':
      return startedAt === null
        ? [{ key: 'runs', kind: 'now', icon: 'play', text: `Attempt ${attempt} runs`, at: runAt }]
        : [
            {
              key: 'runs',
              kind: 'now',
              icon: 'play',
              text: job.cancel === null ? `Attempt ${attempt} runs` : `Asked to stop: ${job.cancel}`,
              note: waited(job),
              at: startedAt,
            },
          ]
    case 'completed':
    case 'failed':
    case 'cancelled': {
      const took = startedAt !== null && finishedAt !== null ? `after ${length(finishedAt - startedAt)}` : undefined
      const end: Step = {
        key: 'finished',
        kind: state,
        icon: state === 'completed' ? 'check' : state === 'failed' ? 'fail' : 'cancel',
        text: ended[state],
        note: state === 'cancelled' ? (job.cancel ?? undefined) : took,
        at: finishedAt ?? runAt,
      }
      return [...started, end, ...forgotten]
    }
  }
}

const ended = {
  completed: 'Completed',
  failed: 'Failed for good',
  cancelled: 'Cancelled',
} as const

function waited({ startedAt, runAt }: Life): string | undefined {
  if (startedAt === null || startedAt < runAt) return undefined
  return startedAt - runAt < 10 ? 'as soon as it was due' : `${length(startedAt - runAt)} after it was due`
}
