import { StateError } from '../../core/errors.ts'
import { finished } from '../../core/job.ts'
import type { Jobs } from '../../jobs.ts'
import { logHead } from '../log-lines.ts'
import { withStoreThere } from '../open-store.ts'
import { flag } from '../options.ts'
import { plain } from '../table.ts'
import { pause, type Terminal } from '../terminal.ts'
import { type Verb, verb } from '../verb.ts'

/** How often a followed log is looked at: lines ring no bell. */
const lookEveryMs = 300

const pageSize = 1_000

export const logs: Verb = verb({
  name: 'logs',
  usage: '<id>',
  words: [1, 1],
  summary: "Shows a job's log, oldest line first.",
  notes: 'As JSON: one document per line.',
  options: { follow: flag('go on until the job has finished') },
  async run(call) {
    const { values, words, terminal } = call
    const id = words[0] ?? ''
    const following = values.follow === undefined ? undefined : terminal.interruptible()
    return await withStoreThere(call, async (jobs) => {
      if ((await jobs.get(id)) === undefined) throw new StateError(id, undefined, '')
      const after = await printAfter(0, id, jobs, terminal)
      if (following !== undefined) await follow(after, id, jobs, terminal, following)
      return 0
    })
  },
})

/** The last lines are stored about when the job ends, perhaps a moment later: there is one more look after its end. */
async function follow(from: number, id: string, jobs: Jobs, terminal: Terminal, signal: AbortSignal): Promise<void> {
  let after = from
  for (let ended = false; !ended && !signal.aborted;) {
    const job = await jobs.get(id)
    ended = job === undefined || finished(job.state)
    await pause(lookEveryMs, signal)
    after = await printAfter(after, id, jobs, terminal)
  }
}

/** Gives the last line's place. */
async function printAfter(from: number, id: string, jobs: Jobs, terminal: Terminal): Promise<number> {
  let after = from
  for (;;) {
    const lines = await jobs.logs(id, { after, limit: pageSize })
    for (const line of lines) {
      if (terminal.json) terminal.give(line)
      else terminal.say(logText(line, terminal))
    }
    after = lines.at(-1)?.seq ?? after
    if (lines.length < pageSize) return after
  }
}

function logText(line: Awaited<ReturnType<Jobs['logs']>>[number], { paint }: Terminal): string {
  const data = line.data === undefined ? '' : ` ${paint('dim', plain(JSON.stringify(line.data)))}`
  return `${logHead(line.at, line.level, paint)} attempt ${line.attempt}: ${plain(line.message, 'lines')}${data}`
}
