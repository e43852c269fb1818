import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'

/** A field with its name above and, below, what to know about it or what is wrong with it. */
export function Field(props: {
  readonly label: string
  readonly hint?: ComponentChildren
  readonly error?: string | undefined
  readonly children: (attributes: { readonly id: string; readonly 'aria-describedby': string }) => JSX.Element
}): JSX.Element {
  const id = useId()
  const below = `${id}-below`
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children({ id, 'aria-describedby': below })}
      <p id={below} class={props.error === undefined ? 'hint' : 'hint bad'}>
        {props.error ?? props.hint}
      </p>
    </div>
  )
}

/** The whole number that a field holds: `undefined` for nothing, `null` for something else. */
export function wholeIn(text: string): number | undefined | null {
  if (text.trim() === '') return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

/** What a field was given. */
export function textOf(event: Event): string {
  const { target } = event
  const field =
    target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
  return field ? target.value : ''
}

/** As a `ref`: the field has the focus as soon as it is there. */
export function focusFirst(field: HTMLElement | null): void {
  field?.focus()
}
