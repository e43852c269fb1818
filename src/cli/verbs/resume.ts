import { setPaused } from '../set-paused.ts'
import { type Verb, verb } from '../verb.ts'

export const resume: Verb = verb({
  name: 'resume',
  usage: '<queue…>',
  words: [1, 10_000],
  summary: 'Lets jobs of paused queues be claimed again.',
  options: {},
  run: (call) => setPaused(call, false),
})
