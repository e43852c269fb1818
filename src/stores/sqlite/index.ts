export type { SqliteHandle, SqliteStatement } from './connection.ts'
export { type Durability, type SqliteOptions, SqliteStore } from './store.ts'
