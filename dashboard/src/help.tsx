import type { JSX } from 'preact'

import { Dialog } from './parts/dialog.tsx'
import { useSession } from './session.ts'

const keys: readonly (readonly [string, readonly string[]])[] = [
  ['Search jobs', ['/']],
  ['Next, previous in a list', ['j', 'k']],
  ['Open what is marked', ['Enter']],
  ['Choose it', ['x']],
  ['Choose all on the page', ['a']],
  ['Older, newer page', ['n', 'p']],
  ['Choose none, leave a field', ['Esc']],
  ['Overview', ['g', 'o']],
  ['Jobs', ['g', 'j']],
  ['Queues', ['g', 'q']],
  ['Workers', ['g', 'w']],
  ['Enqueue', ['g', 'n']],
  ['This help', ['?']],
]

/** What keys do, and where more is written. */
export function Help({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const { version, store } = useSession()
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {keys.map(([what, pressed]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>
              {pressed.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <p class="muted">
        The arrow keys do as j and k. Every filter stands in the address: copy it to share what you see.
      </p>
      <p class="muted">
        jobferry {version} on {store} ·{' '}
        <a href="api/openapi.json" target="_blank" rel="noreferrer">
          The API
        </a>{' '}
        ·{' '}
        <a href="licenses.txt" target="_blank" rel="noreferrer">
          Licences of what this page is made of
        </a>
      </p>
    </Dialog>
  )
}
