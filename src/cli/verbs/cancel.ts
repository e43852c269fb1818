import { StateError } from '../../core/errors.ts'
import { text } from '../options.ts'
import { choice, steer } from '../steer.ts'
import { type Verb, verb } from '../verb.ts'

export const cancel: Verb = verb({
  name: 'cancel',
  usage: '<id…> | --all [filters]',
  words: [0, 10_000],
  summary: 'Cancels jobs: waiting ones at once; running ones are asked to stop.',
  notes: '--all takes waiting and running jobs. A job that has finished cannot be cancelled.',
  options: { ...choice, reason: text('<text>', 'is kept with the job; default: cancelled') },
  run: (call) =>
    steer(call, {
      doing: 'cancelling',
      done: 'cancelled',
      states: ['pending', 'running'],
      allowed: ['pending', 'running'],
      async act(jobs, id) {
        const outcome = await jobs.cancel(id, call.values.reason)
        if (outcome === 'missing') throw new StateError(id, undefined, '')
        if (outcome === 'finished') throw new StateError(id, outcome, 'only one that waits or runs can be cancelled')
        return outcome
      },
    }),
})
