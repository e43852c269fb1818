import { Client } from 'pg'

/** A transaction as a caller has it: a connection of its own, begun, and how it ends. */
export interface CallersTransaction {
  readonly tx: Client
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** @param closing gets what closes the connection */
export async function callersTransaction(
  url: string,
  closing: (close: () => Promise<void>) => void,
): Promise<CallersTransaction> {
  const tx = new Client(url)
  await tx.connect()
  closing(async () => await tx.end())
  await tx.query('begin')
  return {
    tx,
    commit: async () => void (await tx.query('commit')),
    rollback: async () => void (await tx.query('rollback')),
  }
}
