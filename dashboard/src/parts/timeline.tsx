import type { JSX } from 'preact'

import type { JobDetail } from '../../../src/dashboard/shapes.ts'
import { useCell } from '../cell.ts'
import { now, second } from '../clock.ts'
import { stepsOf } from '../steps.ts'
import { Icon } from './icon.tsx'
import { Since, Time } from './time.tsx'

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
