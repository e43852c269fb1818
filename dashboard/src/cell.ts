import { useLayoutEffect, useState } from 'preact/hooks'

/** A value that components can watch. */
export class Cell<T> {
  #value: T
  readonly #listeners = new Set<() => void>()

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  /** Nobody is told when it is the same value as before. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const tell of this.#listeners) tell()
  }

  /** Calls `tell` after each change, until the returned function is called. */
  listen(tell: () => void): () => void {
    this.#listeners.add(tell)
    return () => this.#listeners.delete(tell)
  }
}

/** The value of a cell; the component is drawn again when it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const [, drawAgain] = useState({})
  const drawn = cell.value
  useLayoutEffect(() => {
    if (!Object.is(cell.value, drawn)) drawAgain({}) // changed between the drawing and now
    return cell.listen(() => drawAgain({}))
  }, [cell])
  return drawn
}
