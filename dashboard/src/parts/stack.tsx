import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import type { FailureView } from '../../../src/dashboard/shapes.ts'
import { Copy } from './copy.tsx'
import { Time } from './time.tsx'

/** One run that did not succeed: what it threw, and where. Frames of Node and of packages step back. */
export function FailureCard({ failure, open }: { readonly failure: FailureView; readonly open: boolean }): JSX.Element {
  const [unfolded, setUnfolded] = useState(open)
  const frames = failure.stack === null ? [] : framesOf(failure.stack)
  return (
    <li class="failure">
      <header class="failure-head">
        <span class="failure-attempt">Attempt {failure.attempt}</span>
        <span class="failure-name">{failure.name}</span>
        <span class="grow" />
        <span class="muted">
          <Time at={failure.at} />
        </span>
        <Copy text={failure.stack ?? `${failure.name}: ${failure.message}`} label="error" />
      </header>
      <p class="failure-message">{failure.message === '' ? '(no message)' : failure.message}</p>
      {frames.length > 0 && (
        <button type="button" class="link" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
          {unfolded ? 'Fold the stack' : `Stack of ${frames.length} lines`}
        </button>
      )}
      {unfolded && frames.length > 0 && (
        <pre class="code stack">
          {frames.map((frame, index) => (
            <span key={index} class={foreign(frame) ? 'frame foreign' : 'frame'}>
              {`${frame}\n`}
            </span>
          ))}
        </pre>
      )}
    </li>
  )
}

/** Without the lines before the frames, which repeat name and message. */
function framesOf(stack: string): readonly string[] {
  const lines = stack.split('\n')
  const first = lines.findIndex((line) => /^\s+at /.test(line))
  return first === -1 ? [] : lines.slice(first).map((line) => line.replace(/^ {2}/, ''))
}

function foreign(frame: string): boolean {
  return /node_modules|\(?node:/.test(frame)
}
