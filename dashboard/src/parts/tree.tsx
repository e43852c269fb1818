import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import { ExactNumber, writeJson } from '../json.ts'
import { Copy } from './copy.tsx'
import { Icon } from './icon.tsx'

/** Entries that are shown of a long list at first, and with each press of a button more. */
const batch = 100
/** Characters that are shown of a long text at first. */
const longText = 400

/** A value as a tree that folds. `open`: how many levels are open at first. */
export function Tree({ value, open }: { readonly value: unknown; readonly open: number }): JSX.Element {
  return (
    <ul class="tree">
      <Node name={undefined} value={value} open={open} />
    </ul>
  )
}

interface NodeProps {
  readonly name: string | undefined
  readonly value: unknown
  readonly open: number
}

function Node({ name, value, open }: NodeProps): JSX.Element {
  const entries = entriesOf(value)
  if (entries === undefined || entries.length === 0)
    return (
      <li class="tree-node">
        <span class="tree-line">
          <Name name={name} />
          {entries === undefined ? <Leaf value={value} /> : <span class="tree-none">{shape(value, 0)}</span>}
          {entries === undefined && <Copy text={() => asText(value)} label={name ?? 'value'} />}
        </span>
      </li>
    )
  return <Branch name={name} value={value} entries={entries} open={open} />
}

function Branch({ name, value, entries, open }: NodeProps & { readonly entries: Entries }): JSX.Element {
  const [unfolded, setUnfolded] = useState(open > 0)
  const [shown, setShown] = useState(batch)
  return (
    <li class="tree-node">
      <span class="tree-line">
        <button type="button" class="tree-fold" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
          <Icon name={unfolded ? 'down' : 'right'} />
          <Name name={name} />
          <span class="tree-none">{shape(value, entries.length)}</span>
        </button>
        <Copy text={() => writeJson(value)} label={name ?? 'value'} />
      </span>
      {unfolded && (
        <ul>
          {entries.slice(0, shown).map(([key, part]) => (
            <Node key={key} name={key} value={part} open={open - 1} />
          ))}
          {entries.length > shown && (
            <li>
              <button type="button" class="link" onClick={() => setShown(shown + batch)}>
                {Math.min(batch, entries.length - shown)} more of {entries.length - shown}
              </button>
            </li>
          )}
        </ul>
      )}
    </li>
  )
}

function Name({ name }: { readonly name: string | undefined }): JSX.Element | null {
  return name === undefined ? null : <span class="tree-name">{name}</span>
}

function Leaf({ value }: { readonly value: unknown }): JSX.Element {
  const [whole, setWhole] = useState(false)
  if (typeof value !== 'string')
    return <span class={value === null ? 'tree-null' : `tree-${typeof value}`}>{asText(value)}</span>
  const cut = !whole && value.length > longText
  return (
    <span class="tree-string">
      {cut ? `${value.slice(0, longText)}…` : value}
      {cut && (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          all {value.length} characters
        </button>
      )}
    </span>
  )
}

type Entries = readonly (readonly [string, unknown])[]

function entriesOf(value: unknown): Entries | undefined {
  if (Array.isArray(value)) return value.map((part: unknown, index) => [String(index), part] as const)
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return undefined
  return Object.entries(value)
}

function shape(value: unknown, size: number): string {
  if (Array.isArray(value)) return size === 0 ? '[ ]' : `[ ${size} ]`
  return size === 0 ? '{ }' : `{ ${size} }`
}

function asText(value: unknown): string {
  if (value instanceof ExactNumber) return value.source
  return typeof value === 'string' ? value : JSON.stringify(value)
}
