export { type Durability, type PostgresOptions, postgresOptionNames } from './options.ts'
export type { PgPool } from '../pg/pg.ts'
export { PostgresStore } from './store.ts'
