import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import type { BulkAction, BulkRequest, JobRow } from '../../../src/dashboard/shapes.ts'
import { jobs } from '../format.ts'
import { complain } from '../notices.ts'
import { start } from '../operations.ts'
import type { Selection } from '../selection.ts'
import { useCan } from '../session.ts'
import { filterOf, type View } from '../view.ts'
import { bulkIcons } from './bulk.tsx'
import { FormDialog } from './dialog.tsx'
import { EditFields, editIn, noEdit } from './edit-fields.tsx'
import { Field, textOf } from './field.tsx'
import { Icon } from './icon.tsx'

interface Props {
  readonly view: View
  readonly minute: number
  readonly selection: Selection
  readonly rows: readonly JobRow[]
  /** How many match in all, where that is known. */
  readonly total: number | undefined
  /** Whether there are more than the rows shown. */
  readonly more: boolean
}

const words: Readonly<Record<BulkAction, string>> = {
  retry: 'Retry',
  run: 'Run now',
  cancel: 'Cancel',
  edit: 'Edit',
  delete: 'Delete',
}

/** What can be done with the jobs that are chosen. */
export function SelectionBar(props: Props): JSX.Element {
  const { selection, rows, total, more, view } = props
  const can = useCan()
  const [asked, setAsked] = useState<BulkAction>()
  const offered = actionsFor(view, selection, rows).filter((action) => can(action))
  const whole = selection.ofPage(rows.map((row) => row.id)) === 'all'

  const request = (action: BulkAction): BulkRequest => ({
    action,
    ...(selection.all ? { filter: filterOf(view, props.minute) } : { ids: [...selection.ids] }),
  })
  const begin = async (extra: Partial<BulkRequest>, action: BulkAction): Promise<void> => {
    await start({ ...request(action), ...extra })
    selection.clear()
  }
  const press = (action: BulkAction): void => {
    const harmless = action === 'retry' || action === 'run'
    if (harmless && !selection.all) void begin({}, action).catch(complain)
    else setAsked(action)
  }
  const text = selection.all
    ? total === undefined
      ? 'all jobs that match'
      : `all ${jobs(total)}`
    : jobs(selection.size)
  return (
    <div class="selection" role="region" aria-label="Chosen jobs">
      <button
        type="button"
        class="icon-button"
        aria-label="Choose none"
        title="Choose none (Esc)"
        onClick={selection.clear}
      >
        <Icon name="cross" />
      </button>
      <strong class="selection-text">{text} chosen</strong>
      {!whole && (
        <button type="button" class="link" onClick={() => selection.togglePage(rows.map((row) => row.id))}>
          All on this page
        </button>
      )}
      {whole && more && !selection.all && (
        <button type="button" class="link" onClick={selection.chooseAll}>
          Choose all {total === undefined ? '' : `${total.toLocaleString('en-GB')} `}that match
        </button>
      )}
      <span class="grow" />
      {offered.map((action) => (
        <button
          key={action}
          type="button"
          class={action === 'delete' ? 'button danger' : 'button'}
          onClick={() => press(action)}
        >
          <Icon name={bulkIcons[action]} /> {words[action]}
        </button>
      ))}
      {asked !== undefined && (
        <Ask action={asked} what={text} onClose={() => setAsked(undefined)} begin={(extra) => begin(extra, asked)} />
      )}
    </div>
  )
}

/** Which actions make sense for what is chosen. What a single job does not allow is skipped. */
function actionsFor(view: View, selection: Selection, rows: readonly JobRow[]): readonly BulkAction[] {
  const chosen = new Set(rows.filter((row) => selection.has(row.id)).map((row) => row.state))
  const beyond = selection.all || rows.filter((row) => selection.has(row.id)).length < selection.size
  if (beyond && view.state !== undefined) chosen.add(view.state)
  const any = beyond && view.state === undefined
  const pending = any || chosen.has('pending')
  const running = any || chosen.has('running')
  const finished = any || ['completed', 'failed', 'cancelled'].some((state) => [...chosen].some((one) => one === state))
  const actions: BulkAction[] = []
  if (finished) actions.push('retry')
  if (pending) actions.push('run', 'edit')
  if (pending || running) actions.push('cancel')
  if (pending || finished) actions.push('delete')
  return actions
}

function Ask(props: {
  readonly action: BulkAction
  readonly what: string
  readonly onClose: () => void
  readonly begin: (extra: Partial<BulkRequest>) => Promise<void>
}): JSX.Element {
  const { action, what, onClose, begin } = props
  const [reason, setReason] = useState('')
  const [draft, setDraft] = useState(noEdit)
  const title = `${words[action]}: ${what}`
  switch (action) {
    case 'delete':
      return (
        <FormDialog title={title} button="Delete for good" danger plain onClose={onClose} act={() => begin({})}>
          <p>They are gone then, with their payloads, results and logs. Running ones are left alone.</p>
        </FormDialog>
      )
    case 'cancel':
      return (
        <FormDialog
          title={title}
          button="Cancel them"
          danger
          onClose={onClose}
          act={() => begin(reason === '' ? {} : { reason })}
        >
          <p>Waiting ones never run. Running ones are asked to stop through their signal.</p>
          <ReasonField value={reason} onChange={setReason} />
        </FormDialog>
      )
    case 'edit':
      return (
        <FormDialog title={title} button="Save" onClose={onClose} act={() => begin({ edit: editIn(draft) })}>
          <p>What you leave empty stays as it is with each of them. Only waiting ones are changed.</p>
          <EditFields draft={draft} onChange={setDraft} />
        </FormDialog>
      )
    case 'retry':
    case 'run':
      return (
        <FormDialog title={title} button={words[action]} plain onClose={onClose} act={() => begin({})}>
          <p>
            {action === 'retry'
              ? 'Each is due at once, with all its attempts before it again.'
              : 'Each is due at once, whenever it was meant to run.'}
          </p>
        </FormDialog>
      )
  }
}

/** Why something is cancelled: kept with the job and given to its handler. */
export function ReasonField(props: {
  readonly value: string
  readonly onChange: (value: string) => void
}): JSX.Element {
  return (
    <Field label="Reason" hint="Kept with the job; its handler hears it, too. May be empty.">
      {(attributes) => (
        <input
          {...attributes}
          type="text"
          maxLength={500}
          data-first
          value={props.value}
          onInput={(event) => props.onChange(textOf(event))}
        />
      )}
    </Field>
  )
}
