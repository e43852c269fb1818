import type { ComponentChildren, JSX } from 'preact'

import { Icon, type IconName } from './icon.tsx'

/** Nothing is here: why, and what to do about it. */
export function Empty(props: {
  readonly icon: IconName
  readonly title: string
  readonly children?: ComponentChildren
}): JSX.Element {
  return (
    <div class="condition">
      <span class="condition-icon">
        <Icon name={props.icon} />
      </span>
      <p class="condition-title">{props.title}</p>
      {props.children !== undefined && <div class="condition-text">{props.children}</div>}
    </div>
  )
}

/** Something could not be read. */
export function Failed({ error, again }: { readonly error: Error; readonly again?: () => void }): JSX.Element {
  return (
    <div class="condition" role="alert">
      <span class="condition-icon bad">
        <Icon name="warn" />
      </span>
      <p class="condition-title">This could not be read</p>
      <div class="condition-text">
        <p>{error.message}</p>
        {again !== undefined && (
          <button type="button" class="button" onClick={again}>
            <Icon name="retry" /> Try again
          </button>
        )}
      </div>
    </div>
  )
}

/** What was read stays on the page when reading it again fails; this says so above it. */
export function Stale({ error, again }: { readonly error: Error; readonly again: () => void }): JSX.Element {
  return (
    <p class="stale" role="status">
      <Icon name="warn" /> {error.message} What is shown is from before.
      <button type="button" class="link" onClick={again}>
        Try again
      </button>
    </p>
  )
}

/** The place of what is still being read: grey lines, which appear only if it takes a moment. */
export function Loading({ lines = 6 }: { readonly lines?: number }): JSX.Element {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="loading-line" />
      ))}
    </div>
  )
}
