import { Cell } from './cell.ts'

/** The server's clock less ours, in milliseconds: times are shown against the clock that made them. */
let ahead = 0

/** Told each time the server gives its time. */
export function correctClock(at: number): void {
  ahead = at - Date.now()
}

/** The time by the server's clock, in milliseconds since 1970. */
export function now(): number {
  return Date.now() + ahead
}

/** Changes once a second while the page is seen. What tells the time watches it. */
export const second = new Cell(0)

setInterval(() => {
  if (document.visibilityState === 'visible') second.set(second.value + 1)
}, 1_000)
