import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import type { Cancelled, JobDetail } from '../../../src/dashboard/shapes.ts'
import { addressOf, jobAddress } from '../address.ts'
import { complain, say } from '../notices.ts'
import { useCan } from '../session.ts'
import { send } from '../wire.ts'
import { FormDialog } from './dialog.tsx'
import { Icon } from './icon.tsx'
import { JobEditor } from './job-editor.tsx'
import { ReasonField } from './selection-bar.tsx'

/** What can be asked of a job now. What its state, the store or one's access does not allow is not there. */
export function JobActions(props: {
  readonly job: JobDetail
  readonly show: (job: JobDetail) => void
  readonly onDeleted: () => void
}): JSX.Element {
  const { job, show } = props
  const can = useCan()
  const [asked, setAsked] = useState<'edit' | 'cancel' | 'delete'>()
  const [reason, setReason] = useState('')
  const path = `api/${jobAddress(job.id)}`
  const allowed = new Set(job.actions)
  const close = (): void => setAsked(undefined)

  const ask = async (verb: 'retry' | 'run', done: string): Promise<void> => {
    show(await send<JobDetail>('POST', `${path}/${verb}`))
    say(done)
  }
  const cancel = async (): Promise<void> => {
    const answer = await send<Cancelled>('POST', `${path}/cancel`, reason === '' ? {} : { reason })
    if (answer.job !== null) show(answer.job)
    say(cancelledText[answer.outcome])
  }
  const remove = async (): Promise<void> => {
    await send('DELETE', path)
    say(`${job.task} was deleted`)
    props.onDeleted()
  }
  return (
    <>
      {allowed.has('run') && (
        <button type="button" class="button" onClick={() => void ask('run', 'It is due now').catch(complain)}>
          <Icon name="play" /> Run now
        </button>
      )}
      {allowed.has('retry') && job.state !== 'pending' && (
        <button
          type="button"
          class={job.state === 'failed' ? 'button primary' : 'button'}
          onClick={() => void ask('retry', 'It is due again').catch(complain)}
        >
          <Icon name="retry" /> Retry
        </button>
      )}
      {allowed.has('edit') && (
        <button type="button" class="button" onClick={() => setAsked('edit')}>
          <Icon name="edit" /> Edit
        </button>
      )}
      {can('enqueue') && job.payload.kind !== 'bytes' && !job.payload.cut && !job.payload.redacted && (
        <a class="button" href={addressOf('enqueue', { like: job.id })}>
          <Icon name="copy" /> Enqueue another
        </a>
      )}
      {allowed.has('cancel') && (
        <button type="button" class="button" onClick={() => setAsked('cancel')}>
          <Icon name="cancel" /> Cancel
        </button>
      )}
      {allowed.has('delete') && (
        <button type="button" class="button danger" onClick={() => setAsked('delete')}>
          <Icon name="trash" /> Delete
        </button>
      )}
      {asked === 'edit' && <JobEditor job={job} onClose={close} show={show} />}
      {asked === 'cancel' && (
        <FormDialog title="Cancel this job" button="Cancel it" danger onClose={close} act={cancel}>
          <p>
            {job.state === 'running'
              ? 'Its handler is asked to stop through its signal. What it has done by then stays done.'
              : 'It will not run, unless somebody retries it.'}
          </p>
          <ReasonField value={reason} onChange={setReason} />
        </FormDialog>
      )}
      {asked === 'delete' && (
        <FormDialog title="Delete this job" button="Delete for good" danger plain onClose={close} act={remove}>
          <p>It is gone then, with its payload, result and logs.</p>
        </FormDialog>
      )}
    </>
  )
}

const cancelledText: Readonly<Record<Cancelled['outcome'], string>> = {
  cancelled: 'It is cancelled',
  requested: 'Its worker was asked to stop it',
  finished: 'It had finished already',
}
