// The third example of the README: the same on PostgreSQL. It is type-checked; examples/transactions are run.
import { open, task } from 'jobferry'
import type { PoolClient } from 'pg'

const sendEmail = task<{ to: string; body: string }>({ name: 'send-email' })
const to = 'ada@example.com'
const body = 'Your order'
declare const client: PoolClient

await using jobs = await open('postgres://app@db.example.com/app?schema=jobs')

await jobs.enqueue(sendEmail, { to, body }, { tx: client }) // of pg, postgres.js, Drizzle, Kysely, Knex or Prisma

const charge = task<{ order: number }>({
  name: 'charge',
  handler: ({ order }, job) =>
    job.transaction(async (tx) => {
      await tx.query('update orders set charged = true where id = $1', [order])
      return { order } // effects and completion commit together: exactly once
    }),
})

jobs.work([charge])
