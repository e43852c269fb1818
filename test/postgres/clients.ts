import { PrismaPg } from '@prisma/adapter-pg'
import { drizzle as drizzleOverPg } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleOverPostgresJs } from 'drizzle-orm/postgres-js'
import knex from 'knex'
import { CamelCasePlugin, Kysely, ParseJSONResultsPlugin, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import postgres from 'postgres'

import { PrismaClient } from '../../examples/transactions/generated/client.ts'

/** A client library of our users', connected. */
export interface Client {
  /** Begins a transaction, and commits it when `use` resolves; rolls it back, and rejects, when that rejects. */
  transaction<T>(use: (tx: object) => Promise<T>): Promise<T>
  /** What transactions are begun with. */
  readonly pool: object
  close(): Promise<unknown>
}

/** Every client whose transactions are known, and some of them set up to change what they are given. */
export const clients = {
  pg: (url) => {
    const pool = new Pool({ connectionString: url })
    return { pool, close: () => pool.end(), transaction: (use) => inPg(pool, use) }
  },
  'postgres.js': (url) => postgresJs(url),
  'postgres.js that renames columns': (url) => postgresJs(url, { transform: postgres.camel }),
  'Drizzle over pg': (url) => {
    const pool = new Pool({ connectionString: url })
    const db = drizzleOverPg(pool)
    return { pool: db, close: () => pool.end(), transaction: (use) => db.transaction(use) }
  },
  'Drizzle over postgres.js': (url) => {
    const sql = postgres(url, { onnotice: () => {} })
    const db = drizzleOverPostgresJs(sql)
    return { pool: db, close: () => sql.end(), transaction: (use) => db.transaction(use) }
  },
  Kysely: (url) => kysely(url),
  'Kysely with plugins': (url) => kysely(url, [new CamelCasePlugin(), new ParseJSONResultsPlugin()]),
  Knex: (url) => {
    const db = knex({ client: 'pg', connection: url })
    return { pool: db, close: () => db.destroy(), transaction: (use) => db.transaction(use) }
  },
  Prisma: (url) => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
    return { pool: prisma, close: () => prisma.$disconnect(), transaction: (use) => prisma.$transaction(use) }
  },
} as const satisfies Readonly<Record<string, (url: string) => Client>>

async function inPg<T>(pool: Pool, use: (tx: object) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const result = await use(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

function postgresJs(url: string, options: postgres.Options<{}> = {}): Client {
  const sql = postgres(url, { onnotice: () => {}, ...options })
  return {
    pool: sql,
    close: () => sql.end(),
    transaction: async (use) => {
      const results: Awaited<ReturnType<typeof use>>[] = []
      await sql.begin(async (tx) => void results.push(await use(tx)))
      return results[0]!
    },
  }
}

function kysely(url: string, plugins: (CamelCasePlugin | ParseJSONResultsPlugin)[] = []): Client {
  const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }), plugins })
  return { pool: db, close: () => db.destroy(), transaction: (use) => db.transaction().execute(use) }
}
