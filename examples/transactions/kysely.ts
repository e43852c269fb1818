// An order and its email, both or neither: with Kysely.
import { randomUUID } from 'node:crypto'

import { type Jobs, task } from 'jobferry'
import type { Kysely } from 'kysely'

interface Database {
  orders: { id: string; item: string }
}

export const sendEmail = task<{ to: string; order: string }>({ name: 'send-email' })

export async function placeOrder(db: Kysely<Database>, jobs: Jobs, to: string, item: string): Promise<string> {
  const order = randomUUID()
  await db.transaction().execute(async (tx) => {
    await tx.insertInto('orders').values({ id: order, item }).execute()
    await jobs.enqueue(sendEmail, { to, order }, { tx })
  })
  return order
}
