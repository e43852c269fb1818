import type { JSX } from 'preact'

import type { JobRow } from '../../../src/dashboard/shapes.ts'
import { go, jobAddress } from '../address.ts'
import { useCell } from '../cell.ts'
import { now, second } from '../clock.ts'
import { length, queueName } from '../format.ts'
import { StateMark } from './state.tsx'
import { Since, Time } from './time.tsx'

export interface Choice {
  readonly has: (id: string) => boolean
  readonly toggle: (id: string, range: boolean) => void
  /** Whether all, some or none of the rows shown are chosen. */
  readonly page: 'all' | 'some' | 'none'
  readonly togglePage: () => void
}

/** Rows of jobs. A press anywhere on a row opens its job; its name is the link that does so by keyboard. */
export function JobTable(props: {
  readonly label: string
  readonly rows: readonly JobRow[]
  readonly choice?: Choice | undefined
  /** Rows that are not in this list any more. */
  readonly gone?: ReadonlySet<string>
}): JSX.Element {
  const { choice, gone } = props
  return (
    <table class="jobs" aria-label={props.label}>
      <thead>
        <tr>
          {choice !== undefined && (
            <th class="cell-choice">
              <input
                type="checkbox"
                aria-label="Choose all on this page"
                checked={choice.page === 'all'}
                indeterminate={choice.page === 'some'}
                onChange={choice.togglePage}
              />
            </th>
          )}
          <th>Job</th>
          <th>State</th>
          <th>Queue</th>
          <th class="cell-when">When</th>
        </tr>
      </thead>
      <tbody>
        {props.rows.map((row) => (
          <Row key={row.id} row={row} choice={choice} gone={gone?.has(row.id) === true} />
        ))}
      </tbody>
    </table>
  )
}

interface RowProps {
  readonly row: JobRow
  readonly choice: Choice | undefined
  readonly gone: boolean
}

function Row({ row, choice, gone }: RowProps): JSX.Element {
  const chosen = choice?.has(row.id) === true
  const open = (event: MouseEvent): void => {
    if (event.target instanceof Element && event.target.closest('a, button, input, label') !== null) return
    if (getSelection()?.isCollapsed === false) return // somebody marks text to copy it
    if (event.metaKey || event.ctrlKey) window.open(new URL(jobAddress(row.id), document.baseURI))
    else go(jobAddress(row.id))
  }
  return (
    <tr
      class={`${chosen ? 'chosen' : ''} ${gone ? 'gone' : ''}`}
      data-id={row.id}
      title={gone ? 'Not in this list any more' : undefined}
      onClick={open}
    >
      {choice !== undefined && (
        <td class="cell-choice">
          <label class="choice">
            <input
              type="checkbox"
              aria-label={`Choose ${row.task} ${row.id}`}
              checked={chosen}
              onClick={(event) => choice.toggle(row.id, event.shiftKey)}
            />
          </label>
        </td>
      )}
      <td class="cell-job">
        <a class="job-name" href={jobAddress(row.id)} data-row>
          {row.task}
        </a>
        {row.priority !== 0 && <span class="tag">priority {row.priority}</span>}
        {row.uniqueKey !== null && <span class="tag">{row.uniqueKey}</span>}
        {row.failure !== null && row.state !== 'completed' ? (
          <span class="job-failure" title={row.failure}>
            {row.failure}
          </span>
        ) : (
          <span class="job-payload">{row.payload ?? 'no payload'}</span>
        )}
      </td>
      <td class="cell-state">
        <StateMark state={row.state} text={stateText(row)} />
        <span class="attempts" title={`${row.attempt} of ${row.maxAttempts} attempts started`}>
          {row.attempt}/{row.maxAttempts}
        </span>
      </td>
      <td class="cell-queue">{queueName(row.queue)}</td>
      <td class="cell-when">
        <When row={row} />
      </td>
    </tr>
  )
}

function stateText({ state, cancel, attempt }: JobRow): string | undefined {
  if (state === 'running' && cancel !== null) return 'Stopping'
  return state === 'pending' && attempt > 0 ? 'Retrying' : undefined
}

function When({ row }: { readonly row: JobRow }): JSX.Element {
  useCell(second)
  const { state, runAt, startedAt, finishedAt } = row
  if (state === 'pending')
    return runAt > now() ? (
      <>
        due <Time at={runAt} />
      </>
    ) : (
      <>
        due since <Since at={runAt} />
      </>
    )
  if (state === 'running')
    return (
      <>
        for <Since at={startedAt ?? runAt} />
      </>
    )
  return (
    <>
      <Time at={finishedAt ?? row.createdAt} />
      {startedAt !== null && finishedAt !== null && state === 'completed' && (
        <span class="took">took {length(finishedAt - startedAt)}</span>
      )}
    </>
  )
}
