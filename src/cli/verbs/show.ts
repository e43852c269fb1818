import { StateError } from '../../core/errors.ts'
import { jobSheet } from '../job-lines.ts'
import { withStoreThere } from '../open-store.ts'
import { type Verb, verb } from '../verb.ts'

export const show: Verb = verb({
  name: 'show',
  usage: '<id>',
  words: [1, 1],
  summary: 'Shows all that is known of a job, with exact times, its payload, result and failures.',
  options: {},
  async run(call) {
    const { words, terminal } = call
    const id = words[0] ?? ''
    return await withStoreThere(call, async (jobs) => {
      const job = await jobs.get(id)
      if (job === undefined) throw new StateError(id, undefined, '')
      if (terminal.json) terminal.give(job)
      else terminal.say(jobSheet(job, Date.now(), terminal.paint))
      return 0
    })
  },
})
