import type { JSX } from 'preact'

import { useCell } from '../cell.ts'
import { now, second } from '../clock.ts'
import { distance, exact, length } from '../format.ts'

/** When something was or will be, from now; exactly, at the pointer's touch. */
export function Time({ at }: { readonly at: number }): JSX.Element {
  useCell(second)
  return (
    <time dateTime={iso(at)} title={exact(at)}>
      {distance(at, now())}
    </time>
  )
}

/** How long something has been going on. */
export function Since({ at }: { readonly at: number }): JSX.Element {
  useCell(second)
  const ms = Math.max(0, now() - at)
  return (
    <time dateTime={iso(at)} title={exact(at)}>
      {ms < 1_000 ? '< 1 s' : length(Math.floor(ms / 1_000) * 1_000)}
    </time>
  )
}

function iso(at: number): string {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? '' : date.toISOString()
}
