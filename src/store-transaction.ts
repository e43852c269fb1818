/**
 * What a program says of itself, once for all its handlers. Empty until it does:
 *
 * ```ts
 * declare module 'jobferry' {
 *   interface Register {
 *     transaction: PoolClient
 *   }
 * }
 * ```
 *
 * `transaction` is what `job.transaction` hands to its function: the handle of the store that the program opens. It is believed, not checked.
 */
export interface Register {}

/** What `job.transaction` hands to its function: what the program has said it is, otherwise what every SQL store over a network has. */
export type StoreTransaction = Register extends { readonly transaction: infer Tx } ? Tx : SqlTransaction

/** A connection with an open transaction, for statements of your own. Not to be committed, nor used once its function has ended. */
export interface SqlTransaction {
  /** Runs one statement, its values in place of `$1`, `$2`, …. */
  query(text: string, values?: unknown[]): Promise<{ readonly rows: Readonly<Record<string, unknown>>[] }>
}
