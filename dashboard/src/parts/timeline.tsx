import type { JSX } from 'preact'

import type { JobDetail } from '../../../src/dashboard/shapes.ts'
import { useCell } from '../cell.ts'
import { now, second } from '../clock.ts'
import { length } from '../format.ts'
import { Icon, type IconName } from './icon.tsx'
import { Since, Time } from './time.tsx'

interface Step {
  readonly key: string
  readonly kind: 'past' | 'now' | 'next' | 'failed' | 'completed' | 'cancelled'
  readonly icon: IconName
  readonly text: string
  readonly note?: string | undefined
  readonly at: number
}

/** What has happened to a job, what is happening, and what comes next, from top to bottom. */
export function Timeline({ job }: { readonly job: JobDetail }): JSX.Element {
  useCell(second)
  return (
    <section class="panel" aria-label="Timeline">
      <header class="panel-head">
        <h2>Timeline</h2>
      </header>
      <ol class="timeline">
        {stepsOf(job, now()).map((step) => (
          <li key={step.key} class={`step ${step.kind}`}>
            <span class="step-icon">
              <Icon name={step.icon} />
            </span>
            <span class="step-text">
              {step.text}
              {step.note !== undefined && <span class="step-note">{step.note}</span>}
            </span>
            <span class="step-at">
              <Time at={step.at} />
            </span>
          </li>
        ))}
      </ol>
      {job.state === 'running' && job.startedAt !== null && (
        <p class="timeline-foot">
          Running for <Since at={job.startedAt} />
        </p>
      )}
    </section>
  )
}

function stepsOf(job: JobDetail, at: number): readonly Step[] {
  const failures = job.failures.map((failure): Step => ({
    key: `failed-${failure.attempt}-${failure.at}`,
    kind: 'failed',
    icon: 'fail',
    text: `Attempt ${failure.attempt} failed`,
    note: failure.name,
    at: failure.at,
  }))
  return [
    { key: 'enqueued', kind: 'past', icon: 'plus', text: 'Enqueued', at: job.createdAt },
    ...failures.filter((step) => job.finishedAt === null || step.at < job.finishedAt),
    ...presentOf(job, at),
  ]
}

/** The latest run, and how it ended or goes on. */
function presentOf(job: JobDetail, at: number): readonly Step[] {
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

function waited({ startedAt, runAt }: JobDetail): string | undefined {
  if (startedAt === null || startedAt < runAt) return undefined
  return startedAt - runAt < 10 ? 'as soon as it was due' : `${length(startedAt - runAt)} after it was due`
}
