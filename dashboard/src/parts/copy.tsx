import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import { complain } from '../notices.ts'
import { Icon } from './icon.tsx'

/** Copies a text. `label` says what it is: `id`, `payload`. */
export function Copy({ text, label }: { readonly text: string | (() => string); readonly label: string }): JSX.Element {
  const [copied, setCopied] = useState(false)
  const copy = async (event: MouseEvent): Promise<void> => {
    event.preventDefault()
    event.stopPropagation()
    try {
      await write(typeof text === 'string' ? text : text())
    } catch (error) {
      complain(error)
      return
    }
    setCopied(true)
    setTimeout(() => setCopied(false), 1_500)
  }
  const title = copied ? 'Copied' : `Copy ${label}`
  return (
    <button type="button" class="copy" title={title} aria-label={title} onClick={(event) => void copy(event)}>
      <Icon name={copied ? 'check' : 'copy'} />
    </button>
  )
}

/** The clipboard is closed to pages that came by plain http, but for this machine's; a field to copy from then does. */
async function write(text: string): Promise<void> {
  if (isSecureContext) return navigator.clipboard.writeText(text)
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'unseen'
  document.body.append(field)
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  if (!done) throw new Error('This browser copies nothing from a page that came by plain http.')
}
