import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

import type { JobPage } from '../../../src/dashboard/shapes.ts'
import { addressOf, go, jobAddress } from '../address.ts'
import { useCell } from '../cell.ts'
import { overview } from '../feed.ts'
import { capital, fromLocalInput, queueName, toLocalInput } from '../format.ts'
import { useKeys } from '../keys.ts'
import { useCan, useSession } from '../session.ts'
import { type View, viewAddress, type Within, withins } from '../view.ts'
import { Field, textOf } from './field.tsx'
import { ask } from '../wire.ts'
import { Icon } from './icon.tsx'

/** What narrows the list. Each choice is a new address, and the list begins anew. */
export function JobFilters({ view }: { readonly view: View }): JSX.Element {
  const rare = [view.uniqueKey, view.parent, view.from, view.until].some((one) => one !== undefined)
  const [unfolded, setUnfolded] = useState(rare)
  const queues = useCell(overview)?.queues ?? []
  const { tasks } = useSession()
  const narrow = (more: Partial<View>): void =>
    go(viewAddress({ ...view, after: undefined, before: undefined, ...more }))
  const taskNames = new Set([
    ...tasks.map((task) => task.name),
    ...queues.flatMap((queue) => queue.tasks.map((t) => t.task)),
  ])
  return (
    <div class="filters" role="search" aria-label="Filters">
      <Search view={view} narrow={narrow} />
      <Select
        label="Task"
        any="Any task"
        value={view.task}
        options={[...taskNames].toSorted()}
        choose={(task) => narrow({ task })}
      />
      <Select
        label="Queue"
        any="Any queue"
        value={view.queue}
        options={queues.map((queue) => queue.queue)}
        write={queueName}
        choose={(queue) => narrow({ queue })}
      />
      <Select
        label="Created"
        any={view.from === undefined && view.until === undefined ? 'Any time' : 'Given times'}
        value={view.within}
        options={Object.keys(withins)}
        write={(key) => capital(isWithin(key) ? withins[key].text : key)}
        choose={(key) =>
          narrow({ within: key !== undefined && isWithin(key) ? key : undefined, from: undefined, until: undefined })
        }
      />
      <button
        type="button"
        class={rare ? 'button on' : 'button'}
        aria-expanded={unfolded}
        onClick={() => setUnfolded(!unfolded)}
      >
        <Icon name="sliders" /> More
      </button>
      {unfolded && <RareFilters view={view} narrow={narrow} />}
    </div>
  )
}

interface Narrowing {
  readonly view: View
  readonly narrow: (more: Partial<View>) => void
}

const typingMs = 450

function Search({ view, narrow }: Narrowing): JSX.Element {
  const can = useCan()
  const field = useRef<HTMLInputElement>(null)
  const [text, setText] = useState(view.text ?? '')
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => {
    if (document.activeElement !== field.current) setText(view.text ?? '')
  }, [view.text])
  useKeys({ '/': () => field.current?.select() })

  const search = (value: string): void => {
    clearTimeout(timer.current)
    const wanted = value.trim() === '' ? undefined : value.trim()
    if (wanted !== undefined && (isId(wanted) || !can('search'))) go(jobAddress(wanted))
    else if (wanted !== view.text) narrow({ text: wanted })
  }
  /** Enter also finds the ids of foreign formats, which look like any other number. */
  const submit = async (): Promise<void> => {
    clearTimeout(timer.current)
    const wanted = text.trim()
    const found = /^[\w-]{1,64}$/.test(wanted) && !isId(wanted) && can('search') ? await jobOf(wanted) : undefined
    if (found === undefined) search(text)
    else go(jobAddress(found))
  }
  const type = (value: string): void => {
    setText(value)
    clearTimeout(timer.current)
    if (can('search')) timer.current = setTimeout(() => search(value), typingMs)
  }
  const label = can('search') ? 'Search payloads, or paste an id' : 'Open a job by its id'
  return (
    <form
      class="search"
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      <Icon name="search" />
      <input
        ref={field}
        type="search"
        aria-label={label}
        placeholder={label}
        maxLength={200}
        value={text}
        onInput={(event) => type(textOf(event))}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return
          if (text === '') field.current?.blur()
          else type('')
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  )
}

function Select(props: {
  readonly label: string
  readonly any: string
  readonly value: string | undefined
  readonly options: readonly string[]
  readonly write?: (option: string) => string
  readonly choose: (value: string | undefined) => void
}): JSX.Element {
  const { value, options } = props
  const all = value === undefined || options.includes(value) ? options : [value, ...options]
  return (
    <select
      aria-label={props.label}
      class={value === undefined ? '' : 'on'}
      value={value === undefined ? '' : `=${value}`}
      onChange={(event) => {
        const chosen = textOf(event)
        props.choose(chosen === '' ? undefined : chosen.slice(1))
      }}
    >
      <option value="">{props.any}</option>
      {all.map((option) => (
        <option key={option} value={`=${option}`}>
          {props.write?.(option) ?? option}
        </option>
      ))}
    </select>
  )
}

function RareFilters({ view, narrow }: Narrowing): JSX.Element {
  return (
    <div class="rare field-row">
      <Field label="Unique key">
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            value={view.uniqueKey ?? ''}
            onChange={(event) => narrow({ uniqueKey: textOf(event).trim() || undefined })}
          />
        )}
      </Field>
      <Field label="Parent (a job’s id)">
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            value={view.parent ?? ''}
            onChange={(event) => narrow({ parent: textOf(event).trim() || undefined })}
          />
        )}
      </Field>
      <Field label="Created from">
        {(attributes) => (
          <input
            {...attributes}
            type="datetime-local"
            step={1}
            value={view.from === undefined ? '' : toLocalInput(view.from)}
            onChange={(event) => narrow({ from: fromLocalInput(textOf(event)), within: undefined })}
          />
        )}
      </Field>
      <Field label="Created before">
        {(attributes) => (
          <input
            {...attributes}
            type="datetime-local"
            step={1}
            value={view.until === undefined ? '' : toLocalInput(view.until)}
            onChange={(event) => narrow({ until: fromLocalInput(textOf(event)), within: undefined })}
          />
        )}
      </Field>
    </div>
  )
}

function isWithin(text: string): text is Within {
  return Object.hasOwn(withins, text)
}

/** The id, if there is such a job. */
async function jobOf(id: string): Promise<string | undefined> {
  const page = await ask<JobPage>(addressOf('api/jobs', { id, limit: '1' })).catch(() => undefined)
  return page?.jobs[0]?.id
}

/** As `core/id.ts` makes them. */
function isId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{21}$/.test(text)
}
