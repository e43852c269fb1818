import type { ComponentChildren, JSX } from 'preact'

import type { JobDetail } from '../../../src/dashboard/shapes.ts'
import { addressOf, jobAddress } from '../address.ts'
import { queueName } from '../format.ts'
import { useCan } from '../session.ts'
import { Copy } from './copy.tsx'
import { Time } from './time.tsx'

/** The particulars of a job. */
export function JobFacts({ job }: { readonly job: JobDetail }): JSX.Element {
  const can = useCan()
  const list = (text: string, fields: Readonly<Record<string, string>>): ComponentChildren =>
    can('list') ? <a href={addressOf('jobs', fields)}>{text}</a> : text
  return (
    <section class="panel" aria-label="Particulars">
      <header class="panel-head">
        <h2>Particulars</h2>
      </header>
      <dl class="facts">
        <Fact name="Task">{list(job.task, { task: job.task })}</Fact>
        <Fact name="Queue">{list(queueName(job.queue), { queue: job.queue })}</Fact>
        <Fact name="Attempts">
          {job.attempt} of {job.maxAttempts}
        </Fact>
        <Fact name="Priority">{job.priority}</Fact>
        {job.unique !== null && (
          <Fact name="Unique key">
            {list(job.unique.key, { key: job.unique.key })} <Copy text={job.unique.key} label="unique key" />
            <span class="fact-note">{heldUntil(job.unique)}</span>
          </Fact>
        )}
        {job.concurrencyKey !== null && <Fact name="Concurrency key">{job.concurrencyKey}</Fact>}
        {job.parent !== null && (
          <Fact name="Parent">
            <a class="id" href={jobAddress(job.parent)}>
              {job.parent}
            </a>
          </Fact>
        )}
        {job.leaseUntil !== null && (
          <Fact name="Lease ends">
            <Time at={job.leaseUntil} />
          </Fact>
        )}
        {job.cancel !== null && (
          <Fact name={job.state === 'running' ? 'Asked to stop' : 'Cancelled because'}>{job.cancel}</Fact>
        )}
      </dl>
    </section>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function heldUntil({ until, held }: NonNullable<JobDetail['unique']>): JSX.Element | string {
  if (!held) return 'not held any more'
  if (until === 'claimed') return 'held until it is claimed'
  if (until === 'settled') return 'held until it is finished'
  return (
    <>
      held until <Time at={until} />
    </>
  )
}
