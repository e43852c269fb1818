export type { SqliteHandle, SqliteStatement } from '../sqlite-file/connection.ts'
export { type Durability, type SqliteOptions, SqliteStore } from './store.ts'
