import type { JSX } from 'preact'

import type { JobDetail } from '../../../src/dashboard/shapes.ts'
import { addressOf, jobAddress, leave } from '../address.ts'
import { Heading } from '../page.tsx'
import { Empty, Failed, Loading, Stale } from '../parts/condition.tsx'
import { Copy } from '../parts/copy.tsx'
import { JobActions } from '../parts/job-actions.tsx'
import { JobFacts } from '../parts/job-facts.tsx'
import { JobTable } from '../parts/job-table.tsx'
import { Logs } from '../parts/logs.tsx'
import { PreviewPanel } from '../parts/preview.tsx'
import { FailureCard } from '../parts/stack.tsx'
import { StateMark } from '../parts/state.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { Reader, useEvery, useReading } from '../reader.ts'
import { useCan } from '../session.ts'
import { Refused } from '../wire.ts'

const details = new Reader<JobDetail>()

/** Everything about one job, as it happens. */
export function JobPage({ id }: { readonly id: string }): JSX.Element {
  const { data, error, again, put } = useReading(details, `api/${jobAddress(id)}`)
  const gone = error instanceof Refused && error.status === 404
  useEvery(data?.state === 'running' ? 2_000 : undefined, again)

  if (data === undefined)
    return (
      <>
        <Heading title="Job" shown={<span class="id">{id}</span>} />
        {gone ? <NoJob /> : error === undefined ? <Loading lines={10} /> : <Failed error={error} again={again} />}
      </>
    )
  return (
    <>
      <Heading title={`${data.task} · ${data.id}`} shown={<Name job={data} />}>
        {!gone && <JobActions job={data} show={put} onDeleted={() => leave('jobs')} />}
      </Heading>
      {gone ? (
        <p class="stale" role="status">
          This job is gone: deleted, or forgotten after its time. What is shown is from before.
        </p>
      ) : (
        error !== undefined && <Stale error={error} again={again} />
      )}
      <JobBody job={data} />
    </>
  )
}

function NoJob(): JSX.Element {
  const can = useCan()
  return (
    <Empty icon="search" title="There is no such job">
      <p>It was deleted, or forgotten after its retention, or never enqueued here.</p>
      {can('list') && <a href="jobs">To the jobs</a>}
    </Empty>
  )
}

function Name({ job }: { readonly job: JobDetail }): JSX.Element {
  return (
    <span class="job-title">
      <span>{job.task}</span>
      <StateMark state={job.state} text={job.state === 'running' && job.cancel !== null ? 'Stopping' : undefined} />
      <span class="id">
        {job.id} <Copy text={job.id} label="id" />
      </span>
    </span>
  )
}

function JobBody({ job }: { readonly job: JobDetail }): JSX.Element {
  const can = useCan()
  const failures = job.failures.toReversed()
  return (
    <div class="job">
      <div class="job-main">
        {failures.length > 0 && (
          <section class="panel" aria-label="Errors">
            <header class="panel-head">
              <h2>Errors</h2>
              <span class="muted">{failures.length === 20 ? 'the last 20' : failures.length}, the latest first</span>
            </header>
            <ul class="failures">
              {failures.map((failure, index) => (
                <FailureCard key={`${failure.attempt}-${failure.at}`} failure={failure} open={index === 0} />
              ))}
            </ul>
          </section>
        )}
        <PreviewPanel title="Payload" preview={job.payload} none="It was enqueued without one." />
        <PreviewPanel title="Result" preview={job.result} none={noResult(job)} />
        {can('logs') && <Logs id={job.id} running={job.state === 'running'} />}
        {job.children.length > 0 && (
          <section class="panel list" aria-label="Children">
            <header class="panel-head">
              <h2>Children</h2>
              <span class="muted">jobs that its handler enqueued</span>
              <span class="grow" />
              {can('list') && <a href={addressOf('jobs', { parent: job.id })}>As a list</a>}
            </header>
            <JobTable label="Children" rows={job.children} />
          </section>
        )}
      </div>
      <aside class="job-side" aria-label="About this job">
        <Timeline job={job} />
        <JobFacts job={job} />
      </aside>
    </div>
  )
}

function noResult({ state }: JobDetail): string {
  return state === 'completed' ? 'Its handler returned nothing, or it was not kept.' : 'None until it is completed.'
}
