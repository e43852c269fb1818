import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import type { JobDetail, JobEdit } from '../../../src/dashboard/shapes.ts'
import { jobAddress } from '../address.ts'
import { toLocalInput } from '../format.ts'
import { say } from '../notices.ts'
import { send } from '../wire.ts'
import { FormDialog } from './dialog.tsx'
import { EditFields, type EditDraft, editIn } from './edit-fields.tsx'
import { JsonField, payloadIn } from './json-field.tsx'

/** Changes a job that waits. A payload that is not shown whole is not offered: saving it would store what is shown. */
export function JobEditor(props: {
  readonly job: JobDetail
  readonly onClose: () => void
  readonly show: (job: JobDetail) => void
}): JSX.Element {
  const { job, onClose, show } = props
  const before: EditDraft = {
    priority: String(job.priority),
    runAt: toLocalInput(job.runAt),
    maxAttempts: String(job.maxAttempts),
  }
  const whole =
    !job.payload.cut && !job.payload.redacted && (job.payload.kind === 'json' || job.payload.kind === 'none')
  const [draft, setDraft] = useState(before)
  const [payload, setPayload] = useState(job.payload.text)
  const save = async (): Promise<void> => {
    const edit: JobEdit = {
      ...editIn(draft, before),
      ...(payload !== job.payload.text && { payload: payloadIn(payload) }),
    }
    if (Object.keys(edit).length > 0) show(await send<JobDetail>('PATCH', `api/${jobAddress(job.id)}`, edit))
    say('It is saved')
  }
  return (
    <FormDialog title={`Edit ${job.task}`} button="Save" wide onClose={onClose} act={save}>
      {whole ? (
        <JsonField label="Payload" value={payload} onChange={setPayload} />
      ) : (
        <p class="muted">Its payload is not shown as it is stored, so it is left alone here.</p>
      )}
      <EditFields draft={draft} onChange={setDraft} />
    </FormDialog>
  )
}
