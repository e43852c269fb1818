import type { Jobs } from '../../jobs.ts'
import type { PruneOptions } from '../../steering.ts'
import { withStoreThere } from '../open-store.ts'
import { duration, oneOf, onlyGiven, text } from '../options.ts'
import { progress } from '../progress.ts'
import { counted } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { type Verb, verb } from '../verb.ts'

const finals = ['completed', 'failed', 'cancelled'] as const

export const prune: Verb = verb({
  name: 'prune',
  summary: 'Forgets finished jobs: without options those whose retention has passed, otherwise those that match.',
  options: {
    queue: text('<name>', 'only jobs of this queue'),
    task: text('<name>', 'only jobs of this task'),
    state: oneOf(finals, 'only jobs that finished like this'),
    'older-than': duration('only jobs that finished longer ago, as 7d'),
  },
  async run(call) {
    const { values, terminal } = call
    const { queue, task, state } = values
    const options = onlyGiven({ queue, task, state, olderThan: values['older-than'] })
    return await withStoreThere(call, async (jobs) => {
      const all = Object.keys(options).length === 0
      const pruned = all ? await pruneDue(jobs, terminal) : await pruneMatching(jobs, options, terminal)
      if (terminal.json) terminal.give({ pruned })
      else terminal.say(`${counted(pruned, 'job')} pruned`)
      return 0
    })
  },
})

/** Of these nobody has counted how many there are. */
async function pruneDue(jobs: Jobs, { io }: Terminal): Promise<number> {
  const bar = progress(io.stderr, 'pruning', undefined)
  bar.add(0)
  try {
    return await jobs.prune()
  } finally {
    bar.end()
  }
}

/** Step by step through queues, tasks and states, whose counts say how far it is. */
async function pruneMatching(jobs: Jobs, options: PruneOptions, { io }: Terminal): Promise<number> {
  const steps = (await jobs.stats())
    .filter(({ queue }) => options.queue === undefined || queue === options.queue)
    .flatMap(({ queue, tasks }) => Object.entries(tasks).map(([task, counts]) => ({ queue, task, counts })))
    .filter(({ task }) => options.task === undefined || task === options.task)
    .flatMap(({ queue, task, counts }) => finals.map((state) => ({ queue, task, state, count: counts[state] })))
    .filter(({ state, count }) => count > 0 && (options.state === undefined || state === options.state))
  const total = steps.reduce((sum, { count }) => sum + count, 0)
  const bar = progress(io.stderr, 'pruning', total)
  let pruned = 0
  try {
    for (const { count, ...step } of steps) {
      pruned += await jobs.prune({ ...options, ...step })
      bar.add(count)
    }
  } finally {
    bar.end()
  }
  return pruned
}
