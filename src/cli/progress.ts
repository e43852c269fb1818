import type { Output } from './io.ts'
import { amount } from './table.ts'

export interface Progress {
  add(count: number): void
  /** Removes the bar, and makes room for what is said of the whole. */
  end(): void
}

const barWidth = 30

/** The shortest time between two drawings, in milliseconds. */
const drawEveryMs = 50

/** A bar on a terminal's stderr, with a share if the total is known; elsewhere nothing. */
export function progress(stderr: Output, what: string, total: number | undefined): Progress {
  if (stderr.isTTY !== true) return { add: () => undefined, end: () => undefined }
  let count = 0
  let drawnAt = Number.NEGATIVE_INFINITY
  return {
    add(more) {
      count += more
      const now = performance.now()
      if (now - drawnAt < drawEveryMs) return
      drawnAt = now
      stderr.write(`\r\u001B[K${what} ${bar(count, total)}`)
    },
    end: () => void stderr.write('\r\u001B[K'),
  }
}

function bar(count: number, total: number | undefined): string {
  if (total === undefined || total === 0) return amount(count)
  const share = Math.min(1, count / total)
  const full = Math.round(share * barWidth)
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}] ${Math.floor(share * 100)}% ${amount(count)}/${amount(total)}`
}
