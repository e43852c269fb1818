import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import type { Counts } from '../../../src/store.ts'
import type { QueueChange, QueueView } from '../../../src/dashboard/shapes.ts'
import { addressOf } from '../address.ts'
import { useCell } from '../cell.ts'
import { now, second } from '../clock.ts'
import { overview, overviewError } from '../feed.ts'
import { capital, count, queueName, short } from '../format.ts'
import { complain, say } from '../notices.ts'
import { Heading } from '../page.tsx'
import { Empty, Failed, Loading } from '../parts/condition.tsx'
import { FormDialog } from '../parts/dialog.tsx'
import { Field, textOf, wholeIn } from '../parts/field.tsx'
import { Icon } from '../parts/icon.tsx'
import { isState, states } from '../parts/state.tsx'
import { Since, Time } from '../parts/time.tsx'
import { useCan, useSession } from '../session.ts'
import { send } from '../wire.ts'

/** Every queue: what is in it, and what an operator has set. */
export function QueuesPage(): JSX.Element {
  const data = useCell(overview)
  const error = useCell(overviewError)
  return (
    <>
      <Heading title="Queues" note={data === undefined ? undefined : count(data.queues.length)} />
      {data === undefined && error === undefined && <Loading />}
      {data === undefined && error !== undefined && <Failed error={new Error(error)} />}
      {data?.queues.length === 0 && (
        <section class="panel">
          <Empty icon="queues" title="No queue yet">
            <p>A queue is there once a job was enqueued to it.</p>
          </Empty>
        </section>
      )}
      {data !== undefined && data.queues.length > 0 && <QueueTable queues={data.queues} />}
    </>
  )
}

function QueueTable({ queues }: { readonly queues: readonly QueueView[] }): JSX.Element {
  const can = useCan()
  const steer = can('pause') || can('limits')
  return (
    <div class="panel list">
      <table class="queues" aria-label="Queues">
        <thead>
          <tr>
            <th>Queue</th>
            {states.map((state) => (
              <th key={state} class={`number ${state}`}>
                {capital(state)}
              </th>
            ))}
            <th>Next due</th>
            {steer && <th class="cell-actions">Steer</th>}
          </tr>
        </thead>
        <tbody>
          {queues.map((queue) => (
            <QueueRows key={queue.queue} queue={queue} steer={steer} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function QueueRows({ queue, steer }: { readonly queue: QueueView; readonly steer: boolean }): JSX.Element {
  const [unfolded, setUnfolded] = useState(false)
  const { capabilities } = useSession()
  return (
    <>
      <tr class={queue.paused ? 'paused' : ''} data-queue={queue.queue}>
        <td class="cell-queue-name">
          <button
            type="button"
            class="tree-fold"
            aria-expanded={unfolded}
            aria-label={`Tasks of ${queueName(queue.queue)}`}
            onClick={() => setUnfolded(!unfolded)}
          >
            <Icon name={unfolded ? 'down' : 'right'} />
          </button>
          <span class="queue-name">{queueName(queue.queue)}</span>
          {queue.paused && <span class="tag warn">paused</span>}
          {queue.priority !== 0 && <span class="tag">priority {queue.priority}</span>}
        </td>
        <CountCells
          counts={queue.counts}
          fields={{ queue: queue.queue }}
          limit={capabilities.includes('limits') ? queue.concurrency : null}
        />
        <td class={queue.counts.pending === 0 ? 'cell-next none' : 'cell-next'}>
          <Next queue={queue} />
        </td>
        {steer && (
          <td class="cell-actions">
            <Steer queue={queue} />
          </td>
        )}
      </tr>
      {unfolded &&
        queue.tasks.map(({ task, counts }) => (
          <tr key={task} class="queue-task">
            <td>{task}</td>
            <CountCells counts={counts} fields={{ queue: queue.queue, task }} limit={null} />
            <td class="cell-next" />
            {steer && <td />}
          </tr>
        ))}
    </>
  )
}

function CountCells(props: {
  readonly counts: Counts
  readonly fields: Readonly<Record<string, string>>
  readonly limit: number | null
}): JSX.Element {
  const can = useCan()
  return (
    <>
      {Object.entries(props.counts)
        .filter(([state]) => isState(state))
        .toSorted(([a], [b]) => place(a) - place(b))
        .map(([state, value]) => (
          <td key={state} class={value === 0 ? 'number none' : `number ${state}`} data-label={capital(state)}>
            {can('list') && value > 0 ? (
              <a href={addressOf('jobs', { ...props.fields, state })} title={count(value)}>
                {short(value)}
              </a>
            ) : (
              short(value)
            )}
            {state === 'running' && props.limit !== null && <span class="limit"> of {props.limit}</span>}
          </td>
        ))}
    </>
  )
}

function place(state: string): number {
  return states.findIndex((one) => one === state)
}

function Next({ queue }: { readonly queue: QueueView }): JSX.Element {
  useCell(second)
  if (queue.counts.pending === 0 || queue.nextRunAt === null) return <span class="muted">–</span>
  if (queue.nextRunAt > now()) return <Time at={queue.nextRunAt} />
  return (
    <>
      due since <Since at={queue.nextRunAt} />
    </>
  )
}

function Steer({ queue }: { readonly queue: QueueView }): JSX.Element {
  const can = useCan()
  const [open, setOpen] = useState(false)
  const setPaused = async (paused: boolean): Promise<void> => {
    await change({ queue: queue.queue, paused })
    const name = queueName(queue.queue)
    say(paused ? `${name} is paused: what runs goes on, nothing more is taken` : `${name} goes on`)
  }
  return (
    <span class="actions">
      {can('pause') && (
        <button type="button" class="button small" onClick={() => void setPaused(!queue.paused).catch(complain)}>
          <Icon name={queue.paused ? 'play' : 'pause'} /> {queue.paused ? 'Resume' : 'Pause'}
        </button>
      )}
      {can('limits') && (
        <button type="button" class="button small" onClick={() => setOpen(true)}>
          <Icon name="sliders" /> Limits
        </button>
      )}
      {open && <LimitsDialog queue={queue} onClose={() => setOpen(false)} />}
    </span>
  )
}

function LimitsDialog({ queue, onClose }: { readonly queue: QueueView; readonly onClose: () => void }): JSX.Element {
  const [concurrency, setConcurrency] = useState(queue.concurrency === null ? '' : String(queue.concurrency))
  const [priority, setPriority] = useState(String(queue.priority))
  const save = async (): Promise<void> => {
    const limit = wholeIn(concurrency)
    const rank = wholeIn(priority)
    if (limit === null || (limit !== undefined && limit < 1))
      throw new Error('The limit is a whole number from 1, or empty.')
    if (rank === null) throw new Error('The priority is a whole number.')
    await change({ queue: queue.queue, concurrency: limit ?? null, priority: rank ?? 0 })
    say(`The limits of ${queueName(queue.queue)} are set, for all workers`)
  }
  return (
    <FormDialog title={`Limits of ${queueName(queue.queue)}`} button="Set" onClose={onClose} act={save}>
      <Field label="Running at a time, over all workers" hint="Empty for no limit.">
        {(attributes) => (
          <input
            {...attributes}
            type="number"
            min={1}
            data-first
            value={concurrency}
            onInput={(event) => setConcurrency(textOf(event))}
          />
        )}
      </Field>
      <Field label="Priority among queues" hint="Lower is taken from first. 0 is usual.">
        {(attributes) => (
          <input {...attributes} type="number" value={priority} onInput={(event) => setPriority(textOf(event))} />
        )}
      </Field>
    </FormDialog>
  )
}

/** Changes a queue and shows at once what came of it. */
async function change(wanted: QueueChange): Promise<void> {
  const after = await send<QueueView>('PATCH', 'api/queues', wanted)
  const before = overview.value
  if (before === undefined) return
  overview.set({ ...before, queues: before.queues.map((queue) => (queue.queue === after.queue ? after : queue)) })
}
