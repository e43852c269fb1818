import type { PresentWorker } from '../../core/presence.ts'
import { withStoreThere } from '../open-store.ts'
import { flag } from '../options.ts'
import { amount, named, plain, table } from '../table.ts'
import type { Paint } from '../terminal.ts'
import { relative } from '../time.ts'
import { type Verb, verb } from '../verb.ts'

export const workers: Verb = verb({
  name: 'workers',
  summary: 'Shows which workers are alive, on all machines, and how much they have done.',
  notes:
    'A worker tells every few seconds; one that has not for some 15 seconds is left out.\nAs JSON: { "workers": […] }.',
  options: { runs: flag('what each of them runs, too') },
  async run(call) {
    const { values, terminal } = call
    return await withStoreThere(call, async (jobs) => {
      const present = await jobs.workers()
      if (terminal.json) terminal.give({ workers: present })
      else if (present.length === 0) terminal.note('No worker is alive.')
      else terminal.say(workerTable(present, values.runs !== undefined, Date.now(), terminal.paint, terminal.width))
      return 0
    })
  },
})

function workerTable(
  all: readonly PresentWorker[],
  withRuns: boolean,
  now: number,
  paint: Paint,
  width: number | undefined,
): string {
  const rows = all.flatMap((worker) => [
    [
      worker.id,
      `${plain(worker.host)}:${worker.pid}`,
      worker.state === 'working' ? worker.state : paint('yellow', worker.state),
      `${worker.running}/${worker.concurrency}`,
      ...done(worker, paint),
      relative(worker.startedAt, now),
      relative(worker.toldAt, now),
      worker.queues === undefined ? 'all' : worker.queues.map(named).join(','),
      worker.tasks.map(named).join(','),
    ],
    ...(withRuns ? worker.runs : []).map((run) => [
      `  ${run.id}`,
      `${named(run.task)} #${run.attempt}`,
      '',
      '',
      '',
      '',
      relative(run.since, now),
      '',
      named(run.queue),
      '',
    ]),
  ])
  const head = ['ID', 'WHERE', 'STATE', 'RUNS', 'COMPLETED', 'FAILED', 'SINCE', 'TOLD', 'QUEUES', 'TASKS']
  return table(head, rows, width)
}

/** Completed, and failed for good. */
function done({ tallies }: PresentWorker, paint: Paint): readonly string[] {
  const sum = (end: 'completed' | 'failed'): number =>
    Object.values(tallies).reduce((total, { ends }) => total + ends[end], 0)
  const failed = sum('failed')
  return [amount(sum('completed')), failed > 0 ? paint('red', amount(failed)) : amount(failed)]
}
