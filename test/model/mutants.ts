/** A bug that somebody could make: SQL that is changed on its way to the database. */
export interface Mutant {
  readonly bug: string
  /** What is replaced by what, wherever it stands. Each must be found at least once, or the mutant is no mutant. */
  readonly changes: readonly (readonly [RegExp, string])[]
  /** Only seen by a second connection to the file. */
  readonly inFile?: boolean
  /** Random scripts cannot show it. */
  readonly unseenByModel?: boolean
}

/** Lets all SQL of a driver pass through `spoil`, until the function that it returns is called. */
export type Seam = (spoil: (sql: string) => string) => () => unknown

/**
 * Runs something with the bug in every statement on its way to the database.
 * @throws Error when a fragment was never found: the statements have changed, and the mutant with them
 */
export async function planted<T>({ bug, changes }: Mutant, seam: Seam, body: () => Promise<T>): Promise<T> {
  const missing = new Set(changes)
  const end = seam((sql) =>
    changes.reduce((text, change) => {
      const [find, replacement] = change
      if (text.search(find) !== -1) missing.delete(change)
      return text.replace(find, replacement)
    }, sql),
  )
  let result: T
  try {
    result = await body()
  } finally {
    end()
  }
  if (missing.size === 0) return result
  throw new Error(`"${bug}" was not planted: no SQL has ${[...missing].map(([find]) => find).join(' or ')}`)
}
