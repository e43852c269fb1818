/**
 * An open transaction of an asynchronous client, told by what it can do: a `PoolClient` of pg, a `sql` of postgres.js, a transaction of
 * Drizzle, Kysely, Knex or Prisma. Which of them a store takes, it says itself; in TypeScript all may be given.
 */
export type AsyncTransaction =
  | { query(...args: never[]): unknown }
  | { unsafe(...args: never[]): unknown }
  | { execute(...args: never[]): unknown }
  | { executeQuery(...args: never[]): unknown }
  | { raw(...args: never[]): unknown }
  | { $queryRawUnsafe(...args: never[]): unknown }
