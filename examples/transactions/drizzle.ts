// An order and its email, both or neither: with Drizzle, here over pg. Over postgres.js it is the same.
import { randomUUID } from 'node:crypto'

import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { type Jobs, task } from 'jobferry'

const orders = pgTable('orders', {
  id: uuid().primaryKey(),
  item: text().notNull(),
})

export const sendEmail = task<{ to: string; order: string }>({ name: 'send-email' })

export async function placeOrder(db: NodePgDatabase, jobs: Jobs, to: string, item: string): Promise<string> {
  const order = randomUUID()
  await db.transaction(async (tx) => {
    await tx.insert(orders).values({ id: order, item })
    await jobs.enqueue(sendEmail, { to, order }, { tx })
  })
  return order
}
