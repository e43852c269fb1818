import { useRef, useState } from 'preact/hooks'

import type { JobRow } from '../../src/dashboard/shapes.ts'

export interface GentleRows {
  readonly rows: readonly JobRow[]
  /** Of the rows shown, those that belong to the list no more. */
  readonly gone: ReadonlySet<string>
  /** How many new ones are not shown yet. */
  readonly added: number
  /** Shows the list as it is. */
  readonly accept: () => void
}

/**
 * Rows that do not move under somebody's hand. While `held`, each row shown keeps its place and is brought up to date; what has come or gone
 * meanwhile is only counted. Otherwise the list is shown as it is.
 * @param key of the list: another one is shown at once
 * @param fresh the list as it is; `undefined` while it is read for the first time
 */
export function useGentleRows(key: string, fresh: readonly JobRow[] | undefined, held: boolean): GentleRows {
  const shown = useRef<{ readonly key: string; readonly rows: readonly JobRow[] }>({ key: '', rows: [] })
  const [, drawAgain] = useState({})
  const accept = (): void => {
    if (fresh !== undefined) shown.current = { key, rows: fresh }
    drawAgain({})
  }
  if (fresh === undefined) return { rows: shown.current.rows, gone: new Set(), added: 0, accept }

  const before = shown.current
  if (!held || before.key !== key || before.rows.length === 0) {
    shown.current = { key, rows: fresh }
    return { rows: fresh, gone: new Set(), added: 0, accept }
  }
  const freshById = new Map(fresh.map((row) => [row.id, row]))
  const rows = before.rows.map((row) => freshById.get(row.id) ?? row)
  shown.current = { key, rows }
  const known = new Set(rows.map((row) => row.id))
  const added = fresh.filter((row) => !known.has(row.id)).length
  return { rows, gone: goneOf(rows, fresh), added, accept }
}

/** Rows that were only pushed off the end of the page by newer ones are still in the list, further down. */
function goneOf(rows: readonly JobRow[], fresh: readonly JobRow[]): ReadonlySet<string> {
  const ids = new Set(fresh.map((row) => row.id))
  const reached = rows.findLastIndex((row) => ids.has(row.id))
  const pushedOff = fresh.length >= rows.length
  return new Set(rows.filter((row, at) => !ids.has(row.id) && (at < reached || !pushedOff)).map((row) => row.id))
}
