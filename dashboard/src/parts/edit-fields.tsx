import type { JSX } from 'preact'

import type { JobEdit } from '../../../src/dashboard/shapes.ts'
import { fromLocalInput } from '../format.ts'
import { useCan, useSession } from '../session.ts'
import { Field, textOf, wholeIn } from './field.tsx'

/** What the fields hold. Empty means: as it is. */
export interface EditDraft {
  readonly priority: string
  readonly runAt: string
  readonly maxAttempts: string
}

export const noEdit: EditDraft = { priority: '', runAt: '', maxAttempts: '' }

/** The change that the fields ask for. @throws Error for what is no number, or nothing at all */
export function editIn(draft: EditDraft, before: EditDraft = noEdit): JobEdit {
  const changed = (name: keyof EditDraft): boolean => draft[name] !== before[name] && draft[name].trim() !== ''
  const runAt = changed('runAt') ? fromLocalInput(draft.runAt) : undefined
  return {
    ...(changed('priority') && { priority: whole(draft.priority, 'Priority') }),
    ...(changed('maxAttempts') && { maxAttempts: whole(draft.maxAttempts, 'Attempts') }),
    ...(runAt !== undefined && { runAt }),
  }
}

/** When, how early and how often. */
export function EditFields(props: {
  readonly draft: EditDraft
  readonly onChange: (draft: EditDraft) => void
}): JSX.Element {
  const { draft, onChange } = props
  const { capabilities } = useSession()
  const can = useCan()
  const set = (name: keyof EditDraft) => (event: Event) => onChange({ ...draft, [name]: textOf(event) })
  return (
    <div class="field-row">
      {capabilities.includes('schedule') && (
        <Field label="Run at" hint="Your time.">
          {(attributes) => (
            <input {...attributes} type="datetime-local" step={1} value={draft.runAt} onInput={set('runAt')} />
          )}
        </Field>
      )}
      {capabilities.includes('priority') && (
        <Field label="Priority" hint="Lower runs first.">
          {(attributes) => (
            <input
              {...attributes}
              type="number"
              min={-32_768}
              max={32_767}
              value={draft.priority}
              onInput={set('priority')}
            />
          )}
        </Field>
      )}
      {can('edit-attempts') && (
        <Field label="Attempts at most">
          {(attributes) => (
            <input {...attributes} type="number" min={1} value={draft.maxAttempts} onInput={set('maxAttempts')} />
          )}
        </Field>
      )}
    </div>
  )
}

function whole(text: string, what: string): number {
  const value = wholeIn(text)
  if (value === undefined || value === null) throw new Error(`${what}: a whole number, please.`)
  return value
}
