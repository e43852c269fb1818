// An order and its email, both or neither: with Knex.
import { randomUUID } from 'node:crypto'

import { type Jobs, task } from 'jobferry'
import type { Knex } from 'knex'

export const sendEmail = task<{ to: string; order: string }>({ name: 'send-email' })

export async function placeOrder(knex: Knex, jobs: Jobs, to: string, item: string): Promise<string> {
  const order = randomUUID()
  await knex.transaction(async (tx) => {
    await tx('orders').insert({ id: order, item })
    await jobs.enqueue(sendEmail, { to, order }, { tx })
  })
  return order
}
