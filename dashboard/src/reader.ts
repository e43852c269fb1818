import { useCallback, useEffect, useRef, useState } from 'preact/hooks'

import { useCell } from './cell.ts'
import { correctClock } from './clock.ts'
import { changes } from './feed.ts'
import { noteRefusal } from './session.ts'
import { ask, messageOf } from './wire.ts'

/** Reads one kind of thing from the API and keeps the latest answers, so that going back shows at once what was there. */
export class Reader<T> {
  readonly #kept = new Map<string, T>()
  readonly #most = 30

  kept(path: string): T | undefined {
    return this.#kept.get(path)
  }

  keep(path: string, value: T): void {
    this.#kept.delete(path)
    this.#kept.set(path, value)
    const oldest = this.#kept.keys().next().value
    if (this.#kept.size > this.#most && oldest !== undefined) this.#kept.delete(oldest)
  }

  async read(path: string, signal: AbortSignal): Promise<T> {
    const value = await ask<T>(path, signal)
    if (hasTime(value)) correctClock(value.at)
    this.keep(path, value)
    return value
  }
}

export interface Reading<T> {
  /** The latest answer for this path; `undefined` before the first. */
  readonly data: T | undefined
  /** Why the latest attempt failed; `data` may be of one before. */
  readonly error: Error | undefined
  /** Reads again at once. */
  readonly again: () => void
  /** Shows an answer that came on another way. */
  readonly put: (value: T) => void
}

/** At most so often is a thing read anew because something has changed, in milliseconds. */
const usualMs = 900

/**
 * What the API says at a path, read again when something may have changed. Another path starts afresh.
 * @param leastMs between the end of one reading and the next: longer for what costs the server more
 */
export function useReading<T>(reader: Reader<T>, path: string, leastMs: number = usualMs): Reading<T> {
  const [seen, setSeen] = useState<Seen<T>>({ path })
  const current = seen.path === path ? seen : { path, data: reader.kept(path), error: undefined }
  const change = useCell(changes)
  const turn = useRef<Turn>({ controller: undefined, endedAt: 0, changed: false, timer: undefined })

  const again = useCallback(() => {
    const state = turn.current
    letGo(state)
    const controller = new AbortController()
    state.controller = controller
    const show = (next: Omit<Seen<T>, 'path'>): void => {
      if (controller.signal.aborted) return
      setSeen({ path, ...next })
      state.controller = undefined
      state.endedAt = Date.now()
      if (state.changed) state.timer = setTimeout(again, leastMs)
    }
    reader
      .read(path, controller.signal)
      .then((data) => show({ data }))
      .catch((error: unknown) => {
        if (!controller.signal.aborted) noteRefusal(error)
        show({ data: reader.kept(path), error: error instanceof Error ? error : new Error(messageOf(error)) })
      })
  }, [reader, path, leastMs])

  useEffect(() => {
    again()
    return () => letGo(turn.current)
  }, [again])

  useEffect(() => {
    const state = turn.current
    if (change === 0) return
    if (state.controller !== undefined) {
      state.changed = true // a slow answer is waited for, not begun anew
      return
    }
    clearTimeout(state.timer)
    state.timer = setTimeout(again, Math.max(0, leastMs - (Date.now() - state.endedAt)))
  }, [change])

  const put = useCallback(
    (data: T) => {
      reader.keep(path, data)
      setSeen({ path, data })
    },
    [reader, path],
  )
  return { data: current.data, error: current.error, again, put }
}

interface Seen<T> {
  readonly path: string
  readonly data?: T | undefined
  readonly error?: Error | undefined
}

interface Turn {
  /** Of the request under way. */
  controller: AbortController | undefined
  endedAt: number
  /** Whether something changed during it. */
  changed: boolean
  /** To the next reading. */
  timer: ReturnType<typeof setTimeout> | undefined
}

function letGo(turn: Turn): void {
  turn.controller?.abort()
  turn.controller = undefined
  turn.changed = false
  clearTimeout(turn.timer)
}

/** Calls again and again while the page is seen, for what changes without a bell. `undefined`: not now. */
export function useEvery(ms: number | undefined, call: () => void): void {
  useEffect(() => {
    if (ms === undefined) return
    const timer = setInterval(() => document.visibilityState === 'visible' && call(), ms)
    return () => clearInterval(timer)
  }, [ms, call])
}

function hasTime(value: unknown): value is { readonly at: number } {
  return typeof value === 'object' && value !== null && 'at' in value && typeof value.at === 'number'
}
