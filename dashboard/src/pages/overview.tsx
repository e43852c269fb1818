import type { JSX } from 'preact'

import type { State } from '../../../src/core/job.ts'
import type { JobPage, Overview, QueueView, Series, SeriesPoint } from '../../../src/dashboard/shapes.ts'
import { addressOf, jobAddress } from '../address.ts'
import { useCell } from '../cell.ts'
import { now } from '../clock.ts'
import { overview, overviewError } from '../feed.ts'
import { capital, count, length, queueName, rate, short } from '../format.ts'
import { Heading } from '../page.tsx'
import { Chart } from '../parts/chart.tsx'
import { Empty, Failed, Loading } from '../parts/condition.tsx'
import { Icon } from '../parts/icon.tsx'
import { stateIcons, states } from '../parts/state.tsx'
import { Since, Time } from '../parts/time.tsx'
import { Reader, useReading } from '../reader.ts'
import { useCan } from '../session.ts'

/** How it goes, at a glance: what waits, what runs, how fast, how late, and what fails. */
export function OverviewPage(): JSX.Element {
  const data = useCell(overview)
  const error = useCell(overviewError)
  return (
    <>
      <Heading title="Overview" />
      {data !== undefined && <Whole data={data} />}
      {data === undefined && error !== undefined && <Failed error={new Error(error)} />}
      {data === undefined && error === undefined && <Loading lines={8} />}
    </>
  )
}

function Whole({ data }: { readonly data: Overview }): JSX.Element {
  const can = useCan()
  const last = data.series.points.at(-1)
  return (
    <>
      <div class="tiles">
        {states.map((state) => (
          <Tile key={state} state={state} value={data.counts[state]} note={noteOf(state, data, last)} />
        ))}
      </div>
      <Charts series={data.series} />
      <div class="columns">
        <QueueLoad queues={data.queues} />
        <div class="stack-of-panels">
          <FailuresByTask queues={data.queues} />
          {can('list') && data.counts.failed > 0 && <LatestFailures />}
        </div>
      </div>
    </>
  )
}

function noteOf(state: State, data: Overview, last: SeriesPoint | undefined): JSX.Element | string {
  switch (state) {
    case 'pending':
      if (data.counts.pending === 0) return 'nothing waits'
      if (data.oldestDueAt === null) return 'none is due yet'
      return (
        <span class={now() - data.oldestDueAt > 60_000 ? 'late' : ''}>
          oldest due since <Since at={data.oldestDueAt} />
        </span>
      )
    case 'running':
      return last?.runMs === null || last === undefined ? 'now' : `${length(last.runMs)} each, lately`
    case 'completed':
      return last?.completed === null || last === undefined ? 'in the store' : `${rate(last.completed)} per second`
    case 'failed':
      return last?.failed === null || last === undefined ? 'in the store' : `${rate(last.failed)} runs per second`
    case 'cancelled':
      return 'in the store'
  }
}

interface TileProps {
  readonly state: State
  readonly value: number
  readonly note: JSX.Element | string
}

function Tile({ state, value, note }: TileProps): JSX.Element {
  const can = useCan()
  const inside = (
    <>
      <span class="tile-name">
        <Icon name={stateIcons[state]} /> {capital(state)}
      </span>
      <span class="tile-value" title={count(value)} data-count={state}>
        {short(value)}
      </span>
      <span class="tile-note">{note}</span>
    </>
  )
  return can('list') ? (
    <a class={`tile ${state}`} href={addressOf('jobs', { state })}>
      {inside}
    </a>
  ) : (
    <div class={`tile ${state}`}>{inside}</div>
  )
}

function Charts({ series }: { readonly series: Series }): JSX.Element {
  const { points } = series
  if (points.length < 2)
    return (
      <section class="panel" aria-label="Over time">
        <Empty icon="overview" title="The first points are being gathered">
          <p>Throughput and latency are drawn from now on, for as long as somebody watches or workers count.</p>
        </Empty>
      </section>
    )
  const times = points.map((point) => point.at)
  const span = length(Math.max(0, (times.at(-1) ?? 0) - (times[0] ?? 0)))
  const hint = `last ${span}`
  return (
    <div class="charts">
      <Chart
        title="Throughput"
        hint={hint}
        times={times}
        write={(value) => `${rate(value)}/s`}
        lines={[
          { label: 'Completed', colour: 'completed', values: points.map((point) => point.completed) },
          { label: 'Failed', colour: 'failed', values: points.map((point) => point.failed) },
        ]}
      />
      <Chart
        title="Latency"
        hint={hint}
        times={times}
        write={length}
        lines={[
          { label: 'Waited', colour: 'pending', values: points.map((point) => point.waitMs) },
          { label: 'p95', colour: 'pending', values: points.map((point) => point.waitP95Ms), dash: true },
          { label: 'Ran', colour: 'running', values: points.map((point) => point.runMs) },
          { label: 'p95 ', colour: 'running', values: points.map((point) => point.runP95Ms), dash: true },
        ]}
      />
      <Chart
        title="Backlog"
        hint={hint}
        times={times}
        write={short}
        lines={[
          { label: 'Pending', colour: 'pending', values: points.map((point) => point.pending) },
          { label: 'Running', colour: 'running', values: points.map((point) => point.running) },
        ]}
      />
    </div>
  )
}

const shownQueues = 8

function QueueLoad({ queues }: { readonly queues: readonly QueueView[] }): JSX.Element {
  const busiest = queues.toSorted((a, b) => load(b) - load(a) || a.queue.localeCompare(b.queue)).slice(0, shownQueues)
  const most = Math.max(1, ...busiest.map(load))
  return (
    <section class="panel" aria-label="Queues">
      <header class="panel-head">
        <h2>Queues</h2>
        <span class="grow" />
        <a href="queues">{queues.length > shownQueues ? `All ${queues.length}` : 'Details'}</a>
      </header>
      {busiest.length === 0 ? (
        <Empty icon="queues" title="No queue yet">
          <p>A queue is there once a job was enqueued to it.</p>
        </Empty>
      ) : (
        <ul class="bars">
          {busiest.map((queue) => (
            <li key={queue.queue}>
              <span class="bar-name">
                <a href={addressOf('jobs', { queue: queue.queue, state: 'pending' })}>{queueName(queue.queue)}</a>
                {queue.paused && <span class="tag warn">paused</span>}
              </span>
              <span class="bar-values">
                {short(queue.counts.pending)} pending · {short(queue.counts.running)} running
              </span>
              <span class="bar" aria-hidden="true">
                <span class="bar-part running" style={{ width: `${(queue.counts.running / most) * 100}%` }} />
                <span class="bar-part pending" style={{ width: `${(queue.counts.pending / most) * 100}%` }} />
              </span>
              {queue.counts.pending > 0 && queue.nextRunAt !== null && queue.nextRunAt > now() && (
                <span class="bar-note">
                  next due <Time at={queue.nextRunAt} />
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function load({ counts }: QueueView): number {
  return counts.pending + counts.running
}

function FailuresByTask({ queues }: { readonly queues: readonly QueueView[] }): JSX.Element {
  const byTask = new Map<string, { failed: number; completed: number }>()
  for (const { task, counts } of queues.flatMap((queue) => queue.tasks)) {
    const sum = byTask.get(task) ?? { failed: 0, completed: 0 }
    byTask.set(task, { failed: sum.failed + counts.failed, completed: sum.completed + counts.completed })
  }
  const worst = [...byTask]
    .filter(([, sum]) => sum.failed > 0)
    .toSorted(([a, one], [b, two]) => two.failed - one.failed || a.localeCompare(b))
  const most = Math.max(1, ...worst.map(([, sum]) => sum.failed))
  return (
    <section class="panel" aria-label="Failures by task">
      <header class="panel-head">
        <h2>Failures by task</h2>
        <span class="muted">jobs kept as failed</span>
      </header>
      {worst.length === 0 ? (
        <Empty icon="check" title="No failed job">
          <p>Jobs that have used up their attempts are shown here, by task.</p>
        </Empty>
      ) : (
        <ul class="bars">
          {worst.slice(0, shownQueues).map(([task, sum]) => (
            <li key={task}>
              <span class="bar-name">
                <a href={addressOf('jobs', { task, state: 'failed' })}>{task}</a>
              </span>
              <span class="bar-values">{share(sum)}</span>
              <span class="bar" aria-hidden="true">
                <span class="bar-part failed" style={{ width: `${(sum.failed / most) * 100}%` }} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function share({ failed, completed }: { readonly failed: number; readonly completed: number }): string {
  const finished = failed + completed
  const percent = (failed / finished) * 100
  return completed === 0
    ? count(failed)
    : `${count(failed)} · ${percent < 1 ? '< 1' : Math.round(percent)} % of finished`
}

const failures = new Reader<JobPage>()

function LatestFailures(): JSX.Element | null {
  const { data } = useReading(failures, addressOf('api/jobs', { state: 'failed', limit: '5' }))
  if (data === undefined || data.jobs.length === 0) return null
  return (
    <section class="panel" aria-label="Latest failures">
      <header class="panel-head">
        <h2>Latest failures</h2>
        <span class="grow" />
        <a href={addressOf('jobs', { state: 'failed' })}>All of them</a>
      </header>
      <ul class="latest">
        {data.jobs.map((job) => (
          <li key={job.id}>
            <a href={jobAddress(job.id)}>{job.task}</a>
            <span class="muted">
              <Time at={job.finishedAt ?? job.createdAt} />
            </span>
            <span class="job-failure" title={job.failure ?? undefined}>
              {job.failure ?? 'no error was kept'}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
