import { useState } from 'preact/hooks'

/** Which jobs are chosen. It survives turning the page, and ends with another filter. */
export interface Selection {
  readonly ids: ReadonlySet<string>
  /** All that match, whether shown or not. */
  readonly all: boolean
  readonly size: number
  readonly has: (id: string) => boolean
  /** With a list, everything from the one chosen last up to this one. */
  readonly toggle: (id: string, range?: readonly string[]) => void
  readonly ofPage: (ids: readonly string[]) => 'all' | 'some' | 'none'
  readonly togglePage: (ids: readonly string[]) => void
  readonly chooseAll: () => void
  readonly clear: () => void
}

interface Chosen {
  readonly key: string
  readonly ids: ReadonlySet<string>
  readonly all: boolean
  readonly last: string | undefined
}

/** A selection within the list of this key. */
export function useSelection(key: string): Selection {
  const nothing: Chosen = { key, ids: new Set(), all: false, last: undefined }
  const [kept, keep] = useState<Chosen>(nothing)
  const chosen = kept.key === key ? kept : nothing
  const { ids, all } = chosen
  const ofPage = (page: readonly string[]): 'all' | 'some' | 'none' => {
    const count = page.filter((id) => all || ids.has(id)).length
    if (count === 0) return 'none'
    return count === page.length ? 'all' : 'some'
  }
  return {
    ids,
    all,
    size: all ? Number.POSITIVE_INFINITY : ids.size,
    has: (id) => all || ids.has(id),
    toggle: (id, range) => {
      const next = new Set(ids)
      const on = !next.has(id)
      for (const one of between(range, chosen.last, id)) put(next, one, on)
      keep({ key, ids: next, all: false, last: id })
    },
    ofPage,
    togglePage: (page) => {
      const next = new Set(ids)
      const on = ofPage(page) !== 'all'
      for (const id of page) put(next, id, on)
      keep({ key, ids: all ? new Set() : next, all: false, last: undefined })
    },
    chooseAll: () => keep({ ...chosen, all: true }),
    clear: () => keep(nothing),
  }
}

function between(list: readonly string[] | undefined, from: string | undefined, to: string): readonly string[] {
  const start = from === undefined ? -1 : (list?.indexOf(from) ?? -1)
  const end = list?.indexOf(to) ?? -1
  if (list === undefined || start === -1 || end === -1) return [to]
  return list.slice(Math.min(start, end), Math.max(start, end) + 1)
}

function put(ids: Set<string>, id: string, chosen: boolean): void {
  if (chosen) ids.add(id)
  else ids.delete(id)
}
