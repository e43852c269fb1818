import type { JSX } from 'preact'

import type { State } from '../../../src/core/job.ts'
import { capital } from '../format.ts'
import { Icon, type IconName } from './icon.tsx'

/** In the order in which a job meets them. */
export const states: readonly State[] = ['pending', 'running', 'completed', 'failed', 'cancelled']

export const stateIcons: Readonly<Record<State, IconName>> = {
  pending: 'wait',
  running: 'play',
  completed: 'check',
  failed: 'fail',
  cancelled: 'cancel',
}

/** Whether a text, from the address say, names a state. */
export function isState(text: string | null | undefined): text is State {
  return states.some((state) => state === text)
}

/** A state by its colour, its sign and its name. */
export function StateMark({ state, text }: { readonly state: State; readonly text?: string | undefined }): JSX.Element {
  return (
    <span class={`mark ${state}`}>
      <Icon name={stateIcons[state]} />
      {text ?? capital(state)}
    </span>
  )
}
