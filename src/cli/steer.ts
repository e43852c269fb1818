import { StateError, UsageError } from '../core/errors.ts'
import type { State } from '../core/job.ts'
import type { Jobs } from '../jobs.ts'
import type { JobFilter } from '../store.ts'
import { type Filters, filters, toJobFilter } from './filters.ts'
import { withStoreThere } from './open-store.ts'
import { flag, type Option } from './options.ts'
import { progress } from './progress.ts'
import { amount } from './table.ts'
import type { Call } from './verb.ts'

/** The options of verbs that change jobs: they name them, or take all that match. */
export type Choice = Filters & { readonly all: Option<true> }

export const choice: Choice = { all: flag('every job that matches the filters, in place of ids'), ...filters }

/** How a verb changes jobs. */
export interface Change {
  /** What the bar says meanwhile: `retrying`. */
  readonly doing: string
  /** What most jobs come to: `retried`. Is counted even when it happened to none. */
  readonly done: string
  /** The states that `--all` takes unless `--state` says otherwise. */
  readonly states: readonly State[]
  /** The states that `--state` may name. */
  readonly allowed: readonly State[]
  /** Changes one job and says what it came to. @throws StateError when there is no such job, or not in a state for it */
  act(jobs: Jobs, id: string): Promise<string>
}

/** So many jobs are looked at and changed at a time. */
const pageSize = 100

/** Changes the jobs that the call names. Exit code 1 if one of those named could not be; with `--all` they are skipped and counted. */
export async function steer(call: Call<Choice>, change: Change): Promise<number> {
  const { values, words, terminal } = call
  const filter = toJobFilter(values)
  expectChoice(call, filter, change)
  return await withStoreThere(call, async (jobs) => {
    if (values.all === undefined) return await steerEach(call, jobs, words, change)
    const states = values.state === undefined ? change.states : [values.state]
    const counts = await steerAll(call, jobs, filter, states, change)
    if (terminal.json) terminal.give(counts)
    else
      terminal.say(
        Object.entries(counts)
          .map(([outcome, count]) => `${amount(count)} ${outcome}`)
          .join(', '),
      )
    return 0
  })
}

function expectChoice({ values, words }: Call<Choice>, filter: object, { allowed }: Change): void {
  const filtered = Object.keys(filter).length > 0
  if (values.all !== undefined && words.length > 0) throw new UsageError('Expected ids or --all, got both')
  if (values.all === undefined && words.length === 0)
    throw new UsageError(`Expected ids${filtered ? ', or --all with the filters' : ' or --all'}`)
  if (values.all === undefined && filtered) throw new UsageError('Expected filters only together with --all')
  if (values.state !== undefined && !allowed.includes(values.state))
    throw new UsageError(`Expected \`--state\` to be one of ${allowed.join(', ')} here, got "${values.state}"`)
}

async function steerEach(
  { terminal }: Call<Choice>,
  jobs: Jobs,
  ids: readonly string[],
  change: Change,
): Promise<number> {
  const results: object[] = []
  let code = 0
  for (const id of ids) {
    try {
      const outcome = await change.act(jobs, id)
      results.push({ id, outcome })
      if (!terminal.json) terminal.say(`${id} ${outcome}`)
    } catch (error) {
      if (!(error instanceof StateError)) throw error
      code = 1
      results.push({ id, outcome: error.state === undefined ? 'missing' : 'refused', error: error.message })
      terminal.complain(error)
    }
  }
  if (terminal.json) terminal.give({ jobs: results })
  return code
}

/** What the jobs came to, counted. */
async function steerAll(
  { terminal }: Call<Choice>,
  jobs: Jobs,
  filter: Partial<JobFilter>,
  states: readonly State[],
  change: Change,
): Promise<Readonly<Record<string, number>>> {
  const counts = new Map([[change.done, 0]])
  const bar = progress(terminal.io.stderr, change.doing, await countOf(jobs, filter, states))
  try {
    for (const state of states) {
      for await (const ids of pages(jobs, { ...filter, state })) {
        const outcomes = await Promise.all(ids.map((id) => unlessMoved(change.act(jobs, id))))
        for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
        bar.add(ids.length)
      }
    }
  } finally {
    bar.end()
  }
  return Object.fromEntries(counts)
}

/** The ids of the jobs that match now, oldest first; those that come while they are gone through are left out, so that it ends. */
async function* pages(jobs: Jobs, filter: Partial<JobFilter>): AsyncGenerator<readonly string[], void, void> {
  const [newest] = await jobs.list({ ...filter, limit: 1 })
  if (newest === undefined) return
  for (let after: string | undefined; ;) {
    const page = await jobs.list({ ...filter, order: 'oldest', after, limit: pageSize })
    const ids = page.map((job) => job.id).filter((id) => id <= newest.id)
    if (ids.length > 0) yield ids
    if (ids.length < pageSize) return
    after = ids.at(-1)
  }
}

/** Between the look and the change a job may have moved on: then it is not one of those meant any more. */
async function unlessMoved(act: Promise<string>): Promise<string> {
  try {
    return await act
  } catch (error) {
    if (error instanceof StateError) return 'skipped'
    throw error
  }
}

/** How many jobs match, from the counters; `undefined` where they cannot tell. */
async function countOf(jobs: Jobs, filter: Partial<JobFilter>, states: readonly State[]): Promise<number | undefined> {
  const { queue, task, state: _state, ...rest } = filter
  if (Object.keys(rest).length > 0) return undefined
  const counts = (await jobs.stats())
    .filter((one) => queue === undefined || one.queue === queue)
    .flatMap((one) => (task === undefined ? one.counts : (one.tasks[task] ?? [])))
  return counts.reduce((sum, one) => sum + states.reduce((own, state) => own + one[state], 0), 0)
}
