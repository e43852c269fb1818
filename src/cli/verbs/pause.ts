import { setPaused } from '../set-paused.ts'
import { type Verb, verb } from '../verb.ts'

export const pause: Verb = verb({
  name: 'pause',
  usage: '<queue…>',
  words: [1, 10_000],
  summary: 'Lets nothing more be claimed from queues, in any process, until they are resumed.',
  notes: 'What runs goes on; what is enqueued waits.',
  options: {},
  run: (call) => setPaused(call, true),
})
