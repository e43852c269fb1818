// The first example of the README, as a program: `node examples/readme/tasks.ts`.
import { open, snooze, task, UnrecoverableError } from 'jobferry'
import { z } from 'zod'

export const sendEmail = task({
  name: 'send-email',
  queue: 'notify.email',
  payload: z.object({ to: z.email(), body: z.string() }), // any Standard Schema validator, or types alone
  maxAttempts: 5,
  backoff: { type: 'exponential', delay: '5s', max: '10m', jitter: 0.2 },
  timeout: '10s',
  retention: { completed: '6h', failed: '7d', payload: 'failed' },
  handler: async ({ to, body }, job) => {
    const answer = await mail(to, body, { signal: job.signal, idempotencyKey: job.id })
    if (answer.status === 429) return snooze('1m') // later, without using up an attempt
    if (answer.status === 550) throw new UnrecoverableError('no such mailbox') // no further attempt
    job.log.info('sent', { attempt: job.attempt, messageId: answer.id })
    return { messageId: answer.id } // kept as the job's result
  },
})

await using jobs = await open('sqlite:app.db')

await jobs.enqueue(sendEmail, { to: 'ada@example.com', body: 'Hello' })
const { id, outcome } = await jobs.enqueue(
  sendEmail,
  { to: 'ada@example.com', body: 'Your order' },
  { delay: '15m', priority: -1, unique: { key: 'order:17', onConflict: 'replace' } },
)
console.log(id, outcome) // outcome: 'added', 'kept' or 'replaced'

const worker = jobs.work([sendEmail], { concurrency: 10 })
await worker.stop({ grace: '5s' })

/** Stands in for a mail service. */
async function mail(to: string, body: string, _options: { signal: AbortSignal; idempotencyKey: string }) {
  return { status: 200, id: `${to}/${body.length}` }
}
