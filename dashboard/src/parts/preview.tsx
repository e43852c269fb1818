import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'

import type { Preview } from '../../../src/dashboard/shapes.ts'
import { size } from '../format.ts'
import { parseJson } from '../json.ts'
import { Copy } from './copy.tsx'
import { Tree } from './tree.tsx'

/** A payload or a result: as a tree, or as the text it is. `none` says what it means that there is none. */
export function PreviewPanel(props: {
  readonly title: string
  readonly preview: Preview
  readonly none: string
}): JSX.Element {
  const { preview, title } = props
  const [raw, setRaw] = useState(false)
  const parsed = useMemo(() => (preview.kind === 'json' ? read(preview) : undefined), [preview.text, preview.kind])
  const shown = preview.kind === 'json' || preview.kind === 'bytes'
  return (
    <section class="panel" aria-label={title}>
      <header class="panel-head">
        <h2>{title}</h2>
        {shown && <span class="muted">{size(preview.size)}</span>}
        {preview.redacted && <span class="tag">redacted</span>}
        {preview.cut && <span class="tag">cut</span>}
        <span class="grow" />
        {parsed !== undefined && (
          <button type="button" class="link" aria-pressed={raw} onClick={() => setRaw(!raw)}>
            {raw ? 'As a tree' : 'As text'}
          </button>
        )}
        {shown && <Copy text={preview.text} label={title.toLowerCase()} />}
      </header>
      <div class="panel-body">
        {preview.kind === 'none' && <p class="muted">{props.none}</p>}
        {preview.kind === 'dropped' && <p class="muted">It was there, and the task’s retention has dropped it.</p>}
        {preview.kind === 'bytes' && <pre class="code">{preview.text}</pre>}
        {preview.kind === 'json' && (raw || parsed === undefined) && <pre class="code">{preview.text}</pre>}
        {!raw && parsed !== undefined && <Tree value={parsed.value} open={2} />}
        {preview.cut && (
          <p class="muted">Only the first {size(preview.text.length)} are shown. The command line has all of it.</p>
        )}
      </div>
    </section>
  )
}

function read(preview: Preview): { readonly value: unknown } | undefined {
  if (preview.cut) return undefined
  try {
    return { value: parseJson(preview.text) }
  } catch {
    return undefined // shown as text
  }
}
