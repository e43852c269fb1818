import type { Jobs } from '../../jobs.ts'
import { type State, states } from '../../core/job.ts'
import type { Counts, QueueStats } from '../../store.ts'
import { withStoreThere } from '../open-store.ts'
import { duration, flag, maybe } from '../options.ts'
import { amount, named, table } from '../table.ts'
import { type Paint, pause, type Terminal } from '../terminal.ts'
import { exact, relative } from '../time.ts'
import { type Verb, verb } from '../verb.ts'

export const stats: Verb = verb({
  name: 'stats',
  summary: 'Counts jobs by queue and state. Costs no scan.',
  notes: 'With --watch a terminal is redrawn in place; elsewhere each look is lines of its own, or a line of JSON.',
  options: {
    watch: maybe(duration('look again and again, so long apart; default 2s', 10), '2s'),
    tasks: flag('the tasks of each queue, too'),
  },
  async run(call) {
    const { values, terminal } = call
    const byTask = values.tasks !== undefined
    return await withStoreThere(call, async (jobs) => {
      if (values.watch !== undefined) return await watch(jobs, values.watch, byTask, terminal)
      const queues = await jobs.stats()
      if (terminal.json) terminal.give({ queues })
      else terminal.say(statsTable(queues, byTask, Date.now(), terminal.paint))
      return 0
    })
  },
})

/** Until it is interrupted, or nobody reads any more: neither is a failure. */
async function watch(jobs: Jobs, everyMs: number, byTask: boolean, terminal: Terminal): Promise<number> {
  const interrupted = terminal.interruptible()
  const inPlace = terminal.io.stdout.isTTY === true && !terminal.json
  if (inPlace) terminal.write('\u001B[2J')
  while (!interrupted.aborted) {
    const queues = await jobs.stats()
    const now = Date.now()
    if (terminal.json) terminal.give({ at: now, queues })
    else if (inPlace) terminal.write(frame(statsTable(queues, byTask, now, terminal.paint), now, terminal.paint))
    else for (const queue of queues) terminal.say(`${exact(now)} ${queueLine(queue)}`)
    await pause(everyMs, interrupted)
  }
  return 0
}

/** From the upper left corner, each line cleared behind its end, and everything below. */
function frame(text: string, now: number, paint: Paint): string {
  const lines = [...text.split('\n'), '', paint('dim', `${exact(now)}, Ctrl-C ends`)]
  return `\u001B[H${lines.map((line) => `${line}\u001B[K`).join('\n')}\n\u001B[J`
}

function statsTable(queues: readonly QueueStats[], byTask: boolean, now: number, paint: Paint): string {
  if (queues.length === 0) return 'No queue has had a job so far.'
  const rows = queues.flatMap((queue) => {
    const tasks = byTask ? Object.entries(queue.tasks) : []
    const settings = [
      String(queue.priority),
      queue.concurrency === null ? '' : amount(queue.concurrency),
      queue.paused ? paint('yellow', 'paused') : due(queue, now),
    ]
    return [
      [named(queue.queue), ...cells(queue.counts, paint), ...settings],
      ...tasks.map(([task, counts]) => [`  ${named(task)}`, ...cells(counts, paint), '', '', '']),
    ]
  })
  const head = ['QUEUE', ...states.map((state) => state.toUpperCase()), 'PRIORITY', 'LIMIT', 'NEXT']
  return table(head, queues.length < 2 ? rows : [...rows, ['total', ...cells(sum(queues), paint), '', '', '']])
}

function cells(counts: Counts, paint: Paint): readonly string[] {
  return states.map((state) =>
    state === 'failed' && counts[state] > 0 ? paint('red', amount(counts[state])) : amount(counts[state]),
  )
}

function due({ nextRunAt }: QueueStats, now: number): string {
  if (nextRunAt === undefined) return ''
  return nextRunAt > now ? relative(nextRunAt, now) : 'due'
}

function sum(queues: readonly QueueStats[]): Counts {
  const of = (state: State): number => queues.reduce((total, { counts }) => total + counts[state], 0)
  return {
    pending: of('pending'),
    running: of('running'),
    completed: of('completed'),
    failed: of('failed'),
    cancelled: of('cancelled'),
  }
}

function queueLine({ queue, counts, paused }: QueueStats): string {
  const numbers = states.map((state) => `${state}=${counts[state]}`).join(' ')
  return `${named(queue)} ${numbers}${paused ? ' paused' : ''}`
}
