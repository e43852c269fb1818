// The second example of the README: the queue in the application's own transactions.
import { DatabaseSync } from 'node:sqlite'

import { open, task } from 'jobferry'

const sendEmail = task<{ to: string; body: string }>({ name: 'send-email' })
await using jobs = await open('sqlite:app.db')
const db = new DatabaseSync('app.db', { timeout: 5_000 })
db.exec('create table if not exists orders (id integer primary key, charged integer not null default 0)')
const to = 'ada@example.com'
const body = 'Your order'

db.exec('begin immediate')
db.prepare('insert into orders (id) values (?)').run(17)
jobs.enqueue(sendEmail, { to, body }, { tx: db }) // synchronous; part of your transaction; nothing to notify afterwards
db.exec('commit')

const charge = task<{ order: number }>({
  name: 'charge',
  handler: ({ order }, job) => {
    db.exec('begin immediate')
    try {
      db.prepare('update orders set charged = 1 where id = ?').run(order)
      job.complete({ order }, { tx: db }) // effects and completion commit together: exactly once
      db.exec('commit')
    } catch (error) {
      db.exec('rollback')
      throw error
    }
  },
})

jobs.work([charge])
await jobs.wait((await jobs.enqueue(charge, { order: 17 })).id)
