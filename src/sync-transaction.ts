/** An open transaction of a synchronous driver: a `DatabaseSync` of node:sqlite, a `Database` of better-sqlite3 or libsql. */
export interface SyncTransaction {
  prepare(sql: string): unknown
  exec(sql: string): unknown
}
