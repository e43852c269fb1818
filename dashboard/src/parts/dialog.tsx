import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'

import { messageOf } from '../wire.ts'
import { Icon } from './icon.tsx'

/** A window over the page. The browser keeps the focus in it, gives it back afterwards, and closes it with Escape. */
export function Dialog(props: {
  readonly title: string
  readonly onClose: () => void
  readonly wide?: boolean
  readonly children: ComponentChildren
}): JSX.Element {
  const element = useRef<HTMLDialogElement>(null)
  const gone = useRef(false)
  const titleId = useId()
  useEffect(() => {
    const dialog = element.current
    dialog?.showModal()
    dialog?.querySelector<HTMLElement>('[data-first]')?.focus()
    return () => {
      gone.current = true
      dialog?.close()
    }
  }, [])
  const leaveOutside = (event: MouseEvent): void => {
    if (event.target === element.current) props.onClose()
  }
  return (
    <dialog
      ref={element}
      class={props.wide === true ? 'dialog wide' : 'dialog'}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault()
        props.onClose()
      }}
      onClose={() => gone.current || props.onClose()} // Escape pressed twice closes it without asking
      onMouseDown={leaveOutside}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={titleId}>{props.title}</h2>
          <button type="button" class="icon-button" aria-label="Close" title="Close (Esc)" onClick={props.onClose}>
            <Icon name="cross" />
          </button>
        </header>
        {props.children}
      </div>
    </dialog>
  )
}

/** A dialog that does one thing. What it is refused with is said in it, and it stays open. */
export function FormDialog(props: {
  readonly title: string
  readonly button: string
  readonly danger?: boolean
  readonly wide?: boolean
  /** Nothing to decide but yes or no: then the button has the focus. */
  readonly plain?: boolean
  readonly onClose: () => void
  readonly act: () => Promise<void>
  readonly children: ComponentChildren
}): JSX.Element {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string>()
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    setError(undefined)
    try {
      await props.act()
      props.onClose()
    } catch (refused) {
      setError(messageOf(refused))
      setBusy(false)
    }
  }
  return (
    <Dialog title={props.title} onClose={props.onClose} wide={props.wide === true}>
      <form class="form" onSubmit={(event) => void submit(event)}>
        {props.children}
        {error !== undefined && (
          <p class="form-error" role="alert">
            <Icon name="warn" /> {error}
          </p>
        )}
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={props.onClose}>
            Leave as it is
          </button>
          <button
            type="submit"
            class={props.danger === true ? 'button danger' : 'button primary'}
            disabled={busy}
            data-first={props.plain === true ? '' : undefined}
          >
            {busy ? 'One moment …' : props.button}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
