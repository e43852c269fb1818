// An order and its email, both or neither: with postgres.js.
import { randomUUID } from 'node:crypto'

import { type Jobs, task } from 'jobferry'
import type { Sql } from 'postgres'

export const sendEmail = task<{ to: string; order: string }>({ name: 'send-email' })

export async function placeOrder(sql: Sql, jobs: Jobs, to: string, item: string): Promise<string> {
  const order = randomUUID()
  await sql.begin(async (tx) => {
    await tx`insert into orders (id, item) values (${order}, ${item})`
    await jobs.enqueue(sendEmail, { to, order }, { tx })
  })
  return order
}
