import { StateError } from '../../core/errors.ts'
import { choice, steer } from '../steer.ts'
import { type Verb, verb } from '../verb.ts'

export const remove: Verb = verb({
  name: 'delete',
  usage: '<id…> | --all [filters]',
  words: [0, 10_000],
  summary: 'Removes jobs and their logs, whatever they wait for.',
  notes: '--all takes all but running jobs. A job that runs cannot be deleted: cancel it first.',
  options: choice,
  run: (call) =>
    steer(call, {
      doing: 'deleting',
      done: 'deleted',
      states: ['pending', 'completed', 'failed', 'cancelled'],
      allowed: ['pending', 'completed', 'failed', 'cancelled'],
      async act(jobs, id) {
        if (await jobs.delete(id)) return 'deleted'
        throw new StateError(id, undefined, '')
      },
    }),
})
