/** What came of one contender in one work. */
export interface Result {
  readonly name: string
  /** The middle of the rounds or samples; absent with the reason. */
  readonly figure: number | undefined
  readonly why?: string
  /** Of latencies, the 99th percentile. */
  readonly p99?: number
  /** Of growth, how many times the figure at a thousand. */
  readonly growth?: number
  /** Every round's rate, or the samples' count. */
  readonly rounds: readonly number[]
  /** Jobs in the last round. */
  readonly jobs?: number
}

export interface Measured {
  readonly work: string
  readonly durability: string
  readonly unit: string
  readonly results: readonly Result[]
  /** What the table has no place for. */
  readonly note?: string
}

/** @throws RangeError for none at all */
export function median(numbers: readonly number[]): number {
  return percentile(numbers, 0.5)
}

/** The smallest number that at least `share` of them do not exceed; between the two middle ones for an even median. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (i: number): number => {
    const found = sorted[i]
    if (found === undefined) throw new RangeError('Expected at least one number')
    return found
  }
  const middle = sorted.length / 2
  if (share === 0.5 && Number.isInteger(middle) && middle > 0) return (at(middle - 1) + at(middle)) / 2
  return at(Math.max(0, Math.ceil(sorted.length * share) - 1))
}
