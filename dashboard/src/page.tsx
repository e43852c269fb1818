import type { ComponentChildren, JSX } from 'preact'
import { useEffect } from 'preact/hooks'

/** A page's heading, which is also the window's title, and what can be done on it. */
export function Heading(props: {
  readonly title: string
  /** In place of the title, where the heading is more than text. */
  readonly shown?: ComponentChildren
  readonly note?: ComponentChildren
  readonly children?: ComponentChildren
}): JSX.Element {
  useEffect(() => {
    document.title = `${props.title} · jobferry`
  }, [props.title])
  return (
    <header class="heading">
      <h1>{props.shown ?? props.title}</h1>
      {props.note !== undefined && <span class="muted">{props.note}</span>}
      <span class="grow" />
      {props.children !== undefined && <div class="actions">{props.children}</div>}
    </header>
  )
}
