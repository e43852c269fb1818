import type { JSX } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'

import type { Enqueued, JobDetail, NewJob } from '../../../src/dashboard/shapes.ts'
import { go, jobAddress } from '../address.ts'
import { useCell } from '../cell.ts'
import { overview } from '../feed.ts'
import { fromLocalInput } from '../format.ts'
import { say } from '../notices.ts'
import { Heading } from '../page.tsx'
import { Empty, Failed, Loading } from '../parts/condition.tsx'
import { Field, focusFirst, textOf, wholeIn } from '../parts/field.tsx'
import { Icon } from '../parts/icon.tsx'
import { JsonField, payloadIn } from '../parts/json-field.tsx'
import { useCan, useSession } from '../session.ts'
import { ask, messageOf, Refused, send } from '../wire.ts'

interface Draft {
  readonly task: string
  readonly queue: string
  readonly payload: string
  readonly when: 'now' | 'in' | 'at'
  readonly delay: string
  readonly unit: string
  readonly runAt: string
  readonly priority: string
  readonly maxAttempts: string
  readonly uniqueKey: string
}

const blank: Draft = {
  task: '',
  queue: '',
  payload: '',
  when: 'now',
  delay: '5',
  unit: '60000',
  runAt: '',
  priority: '',
  maxAttempts: '',
  uniqueKey: '',
}

/** Enqueues by hand: from nothing, or like a job there is (`?like=ID`). */
export function EnqueuePage({ query }: { readonly query: URLSearchParams }): JSX.Element {
  const can = useCan()
  const like = query.get('like')
  const [draft, setDraft] = useState<Draft | Error | undefined>(
    like === null ? { ...blank, task: query.get('task') ?? '', queue: query.get('queue') ?? '' } : undefined,
  )
  useEffect(() => {
    if (like === null) return
    ask<JobDetail>(`api/${jobAddress(like)}`).then(
      (job) => setDraft({ ...blank, task: job.task, queue: job.queue, payload: job.payload.text, ...others(job) }),
      (error: unknown) => setDraft(error instanceof Error ? error : new Error(messageOf(error))),
    )
  }, [like])
  return (
    <>
      <Heading title="Enqueue" shown={like === null ? 'Enqueue a job' : 'Enqueue another'} />
      {!can('enqueue') && (
        <Empty icon="plus" title="Enqueueing is not for you here">
          <p>You may look, not steer.</p>
        </Empty>
      )}
      {can('enqueue') && draft === undefined && <Loading />}
      {can('enqueue') && draft instanceof Error && <Failed error={draft} />}
      {can('enqueue') && draft !== undefined && !(draft instanceof Error) && <Form draft={draft} change={setDraft} />}
    </>
  )
}

function others({ priority, maxAttempts }: JobDetail): Partial<Draft> {
  return { priority: priority === 0 ? '' : String(priority), maxAttempts: String(maxAttempts) }
}

function Form({ draft, change }: { readonly draft: Draft; readonly change: (draft: Draft) => void }): JSX.Element {
  const { tasks, capabilities } = useSession()
  const queues = useCell(overview)?.queues ?? []
  const lists = useId()
  const [busy, setBusy] = useState(false)
  const [refused, setRefused] = useState<unknown>()
  const known = tasks.find((task) => task.name === draft.task)
  const taskNames = new Set([
    ...tasks.map((task) => task.name),
    ...queues.flatMap((queue) => queue.tasks.map((t) => t.task)),
  ])
  const set = (name: keyof Draft) => (event: Event) => change({ ...draft, [name]: textOf(event) })

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    setRefused(undefined)
    try {
      const { id, outcome } = await send<Enqueued>('POST', 'api/jobs', jobIn(draft))
      const link = { to: jobAddress(id), text: id }
      say(outcome === 'kept' ? 'Nothing was added: its unique key is held by' : 'Enqueued', link)
      go(jobAddress(id))
    } catch (error) {
      setRefused(error)
      setBusy(false)
    }
  }
  return (
    <form class="panel form enqueue" onSubmit={(event) => void submit(event)}>
      <div class="field-row">
        <Field label="Task" hint={taskHint(draft.task, known?.checked)}>
          {(attributes) => (
            <input
              {...attributes}
              type="text"
              required
              ref={focusFirst}
              list={`${lists}-tasks`}
              autocomplete="off"
              value={draft.task}
              onInput={set('task')}
            />
          )}
        </Field>
        <Field label="Queue" hint={known === undefined ? 'Empty for “default”.' : `Empty for “${known.queue}”.`}>
          {(attributes) => (
            <input
              {...attributes}
              type="text"
              list={`${lists}-queues`}
              autocomplete="off"
              value={draft.queue}
              onInput={set('queue')}
            />
          )}
        </Field>
      </div>
      <datalist id={`${lists}-tasks`}>
        {[...taskNames].toSorted().map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <datalist id={`${lists}-queues`}>
        {queues.map((queue) => (
          <option key={queue.queue} value={queue.queue} />
        ))}
      </datalist>
      <JsonField label="Payload" value={draft.payload} onChange={(payload) => change({ ...draft, payload })} />
      <div class="field-row">
        {capabilities.includes('schedule') && <When draft={draft} change={change} />}
        {capabilities.includes('priority') && (
          <Field label="Priority" hint="Lower runs first. Empty for the task’s own.">
            {(attributes) => <input {...attributes} type="number" value={draft.priority} onInput={set('priority')} />}
          </Field>
        )}
        {capabilities.includes('policy') && (
          <Field label="Attempts at most" hint="Empty for the task’s own.">
            {(attributes) => (
              <input {...attributes} type="number" min={1} value={draft.maxAttempts} onInput={set('maxAttempts')} />
            )}
          </Field>
        )}
        {capabilities.includes('dedupe') && (
          <Field label="Unique key" hint="Nothing is added while another job holds it.">
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                autocomplete="off"
                value={draft.uniqueKey}
                onInput={set('uniqueKey')}
              />
            )}
          </Field>
        )}
      </div>
      {refused !== undefined && <Refusal error={refused} />}
      <footer class="dialog-foot">
        <button type="submit" class="button primary" disabled={busy}>
          <Icon name="plus" /> {busy ? 'One moment …' : 'Enqueue'}
        </button>
      </footer>
    </form>
  )
}

function When({ draft, change }: { readonly draft: Draft; readonly change: (draft: Draft) => void }): JSX.Element {
  const set = (name: keyof Draft) => (event: Event) => change({ ...draft, [name]: textOf(event) })
  return (
    <Field label="When" hint={draft.when === 'at' ? 'Your time.' : undefined}>
      {(attributes) => (
        <span class="joined">
          <select
            {...attributes}
            value={draft.when}
            onChange={(event) => {
              const when = textOf(event)
              change({ ...draft, when: when === 'in' || when === 'at' ? when : 'now' })
            }}
          >
            <option value="now">now</option>
            <option value="in">in</option>
            <option value="at">at</option>
          </select>
          {draft.when === 'in' && (
            <>
              <input type="number" min={0} aria-label="How long" value={draft.delay} onInput={set('delay')} />
              <select aria-label="Unit" value={draft.unit} onChange={set('unit')}>
                <option value="1000">seconds</option>
                <option value="60000">minutes</option>
                <option value="3600000">hours</option>
                <option value="86400000">days</option>
              </select>
            </>
          )}
          {draft.when === 'at' && (
            <input
              type="datetime-local"
              step={1}
              required
              aria-label="Time"
              value={draft.runAt}
              onInput={set('runAt')}
            />
          )}
        </span>
      )}
    </Field>
  )
}

/** What the server did not like, and where in the payload. */
function Refusal({ error }: { readonly error: unknown }): JSX.Element {
  const issues = error instanceof Refused ? error.issues : []
  return (
    <div class="form-error" role="alert">
      <p>
        <Icon name="warn" /> {messageOf(error)}
      </p>
      {issues.length > 0 && (
        <ul>
          {issues.map((issue, index) => (
            <li key={index}>
              <code>{issue.path === '' ? 'payload' : issue.path}</code> {issue.message}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

function taskHint(name: string, checked: boolean | undefined): string {
  if (name === '') return 'The name that workers know.'
  if (checked === undefined) return 'Not known to this dashboard: its payload is not checked.'
  return checked ? 'Its payload is checked before it is enqueued.' : 'Its payload is not checked.'
}

/** @throws Error for what makes no sense */
function jobIn(draft: Draft): NewJob {
  const payload = payloadIn(draft.payload)
  const priority = number(draft.priority, 'The priority')
  const maxAttempts = number(draft.maxAttempts, 'The attempts')
  const delay = number(draft.delay, 'The delay') ?? 0
  const runAt = draft.when === 'at' ? fromLocalInput(draft.runAt) : undefined
  return {
    task: draft.task,
    ...(payload !== undefined && { payload }),
    ...(draft.queue !== '' && { queue: draft.queue }),
    ...(priority !== undefined && { priority }),
    ...(maxAttempts !== undefined && { maxAttempts }),
    ...(draft.when === 'in' && { delayMs: delay * Number(draft.unit) }),
    ...(runAt !== undefined && { runAt }),
    ...(draft.uniqueKey !== '' && { uniqueKey: draft.uniqueKey }),
  }
}

function number(text: string, what: string): number | undefined {
  const value = wholeIn(text)
  if (value === null) throw new Error(`${what}: a whole number, please.`)
  return value
}
