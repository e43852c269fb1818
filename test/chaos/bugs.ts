/** Faults to plant in a store's SQL, each of which the checker must find. How they are made is each backend's own. */
export const sqlBugs = [
  /** The end of a run is stored whoever holds the job by now. */
  'unguarded write',
  /** Jobs are taken back from workers that still hold them. */
  'early rescue',
  /** A concurrency key is never found busy. */
  'busy key ignored',
  /** A run counts as an attempt only if its worker lives to say so. */
  'attempt not counted',
  /** Completions are not counted. */
  'lost count',
] as const

/** Faults of the application. */
const otherBugs = ['effect outside', 'acknowledged first'] as const

export type SqlBug = (typeof sqlBugs)[number]

export type Bug = SqlBug | (typeof otherBugs)[number]

export const bugs: readonly Bug[] = [...sqlBugs, ...otherBugs]

/** For each fault, what is replaced by what, wherever it stands. */
export type SqlBugs = Readonly<Record<SqlBug, readonly (readonly [good: string, bad: string])[]>>

/** The statement with the fault in it, if it is one that the fault is for. */
export function planted(sql: string, bug: Bug | undefined, inSql: SqlBugs): string {
  const changes = Object.entries(inSql).find(([name]) => name === bug)?.[1] ?? []
  return changes.reduce((text, [good, bad]) => text.replaceAll(good, bad), sql)
}
