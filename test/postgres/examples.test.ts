import { PrismaPg } from '@prisma/adapter-pg'
import { drizzle } from 'drizzle-orm/node-postgres'
import { type Jobs, open } from 'jobferry'
import knex from 'knex'
import { Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import postgres from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'

import * as drizzleExample from '../../examples/transactions/drizzle.ts'
import { PrismaClient } from '../../examples/transactions/generated/client.ts'
import * as knexExample from '../../examples/transactions/knex.ts'
import * as kyselyExample from '../../examples/transactions/kysely.ts'
import * as pgExample from '../../examples/transactions/pg.ts'
import * as postgresJsExample from '../../examples/transactions/postgres-js.ts'
import * as prismaExample from '../../examples/transactions/prisma.ts'
import { connect, newDatabase } from '../servers/kit.ts'

interface Shop {
  placeOrder(jobs: Jobs, to: string, item: string): Promise<string>
  close(): Promise<unknown>
}

/** Each example, on a client of its kind. */
const shops: Readonly<Record<string, (url: string) => Shop>> = {
  pg: (url) => {
    const pool = new Pool({ connectionString: url })
    return { close: () => pool.end(), placeOrder: (...order) => pgExample.placeOrder(pool, ...order) }
  },
  'postgres.js': (url) => {
    const sql = postgres(url)
    return { close: () => sql.end(), placeOrder: (...order) => postgresJsExample.placeOrder(sql, ...order) }
  },
  Drizzle: (url) => {
    const pool = new Pool({ connectionString: url })
    return { close: () => pool.end(), placeOrder: (...order) => drizzleExample.placeOrder(drizzle(pool), ...order) }
  },
  Kysely: (url) => {
    const db = new Kysely<{ orders: { id: string; item: string } }>({
      dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }),
    })
    return { close: () => db.destroy(), placeOrder: (...order) => kyselyExample.placeOrder(db, ...order) }
  },
  Knex: (url) => {
    const db = knex({ client: 'pg', connection: url })
    return { close: () => db.destroy(), placeOrder: (...order) => knexExample.placeOrder(db, ...order) }
  },
  Prisma: (url) => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
    return { close: () => prisma.$disconnect(), placeOrder: (...order) => prismaExample.placeOrder(prisma, ...order) }
  },
}

/** What the clients make of a constraint that is found broken at the commit. */
const refusal = /orders_item_key|Failed query: commit|UniqueConstraintViolation/

describe.for(Object.entries(shops))('the example with %s', ([, openShop]) => {
  it('keeps an order with its job, and neither when the transaction fails at its very end', async () => {
    const url = await newDatabase()
    const outside = await connect(url)
    await outside.query(
      'create table orders (id uuid primary key, item text not null unique deferrable initially deferred)',
    )
    const jobs = await open(url)
    onTestFinished(() => jobs.close())
    const shop = openShop(url)
    onTestFinished(async () => void (await shop.close()))

    const order = await shop.placeOrder(jobs, 'ada@example.com', 'teapot')
    await expect(shop.placeOrder(jobs, 'bob@example.com', 'teapot')).rejects.toThrow(refusal)

    expect((await outside.query('select id, item from orders')).rows).toEqual([{ id: order, item: 'teapot' }])
    expect(await jobs.list()).toMatchObject([
      { task: 'send-email', state: 'pending', payload: { to: 'ada@example.com', order } },
    ])
  })
})
