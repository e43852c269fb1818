import { UsageError } from '../../core/errors.ts'
import { jobSheet } from '../job-lines.ts'
import { duration, instant, onlyGiven, text, whole } from '../options.ts'
import { withStoreThere } from '../open-store.ts'
import { readPayload } from '../payload.ts'
import { type Verb, verb } from '../verb.ts'

export const edit: Verb = verb({
  name: 'edit',
  usage: '<id>',
  words: [1, 1],
  summary: 'Changes a job that waits, and shows it.',
  notes: 'The payload is not checked against its task here; that happens when it is run.',
  options: {
    payload: text('<json>', 'a new payload: JSON, @file, or - for stdin'),
    delay: duration('due so long from now'),
    'run-at': instant('due at this time'),
    priority: whole('lower runs first', -32_768, 32_767),
    'max-attempts': whole('how many runs at most, those used included', 1, 10_000),
  },
  async run(call) {
    const { values, words, terminal } = call
    const { payload, ...rest } = values
    const changes = onlyGiven({
      delay: rest.delay,
      runAt: rest['run-at'],
      priority: rest.priority,
      maxAttempts: rest['max-attempts'],
    })
    if (payload === undefined && Object.keys(changes).length === 0)
      throw new UsageError('Expected a change: --payload, --delay, --run-at, --priority or --max-attempts')
    const all = payload === undefined ? changes : { ...changes, payload: await readPayload(payload, terminal.io) }
    return await withStoreThere(call, async (jobs) => {
      const job = await jobs.edit(words[0] ?? '', all)
      if (terminal.json) terminal.give(job)
      else terminal.say(jobSheet(job, Date.now(), terminal.paint))
      return 0
    })
  },
})
