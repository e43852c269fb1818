// An order and its email, both or neither: with pg.
import { randomUUID } from 'node:crypto'

import { type Jobs, task } from 'jobferry'
import type { Pool } from 'pg'

export const sendEmail = task<{ to: string; order: string }>({ name: 'send-email' })

export async function placeOrder(pool: Pool, jobs: Jobs, to: string, item: string): Promise<string> {
  const order = randomUUID()
  const tx = await pool.connect() // not the pool: its statements go to different connections
  try {
    await tx.query('begin')
    await tx.query('insert into orders (id, item) values ($1, $2)', [order, item])
    await jobs.enqueue(sendEmail, { to, order }, { tx })
    await tx.query('commit')
    return order
  } catch (error) {
    await tx.query('rollback')
    throw error
  } finally {
    tx.release()
  }
}
