import { choice, steer } from '../steer.ts'
import { type Verb, verb } from '../verb.ts'

export const retry: Verb = verb({
  name: 'retry',
  usage: '<id…> | --all [filters]',
  words: [0, 10_000],
  summary: 'Runs finished or waiting jobs again, now, with at least one more attempt.',
  notes: '--all takes failed jobs, unless --state says otherwise. A job that runs cannot be retried.',
  options: choice,
  run: (call) =>
    steer(call, {
      doing: 'retrying',
      done: 'retried',
      states: ['failed'],
      allowed: ['pending', 'completed', 'failed', 'cancelled'],
      async act(jobs, id) {
        await jobs.retry(id)
        return 'retried'
      },
    }),
})
