/**
 * Faults to plant, each of which the checker must find. Those in SQL replace a part of a statement; the others are named where they are made.
 */
const inSql = {
  /** The end of a run is stored whoever holds the job by now. */
  'unguarded write': ['and rev = ?', 'and ? is not null'],
  /** Jobs are taken back from workers that still hold them. */
  'early rescue': ['where state = 1 and lease_until <= ? order', 'where state = 1 and lease_until <= ? + 800 order'],
  /** A concurrency key is never found busy. */
  'busy key ignored': ['concurrency_key = ? and state = 1 limit 1', 'concurrency_key = ? and state = 9 limit 1'],
  /** A run counts as an attempt only if its worker lives to say so. */
  'attempt not counted': ['set state = 1, attempt = attempt + 1', 'set state = 1, attempt = attempt + 0'],
  /** Completions are not counted. */
  'lost count': ['completed = completed + ?', 'completed = completed + 0 * ?'],
} as const

const elsewhere = ['effect outside', 'acknowledged first'] as const

export type Bug = keyof typeof inSql | (typeof elsewhere)[number]

export const bugs: readonly Bug[] = [...(Object.keys(inSql) as (keyof typeof inSql)[]), ...elsewhere]

/** The statement with the fault in it, if it is one that the fault is for. */
export function planted(sql: string, bug: Bug | undefined): string {
  if (bug === undefined || !(bug in inSql)) return sql
  const [good, bad] = inSql[bug as keyof typeof inSql]
  return sql.replace(good, bad)
}
