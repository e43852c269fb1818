import type { BulkFilter, JobPage, JobRow, QueueView } from '../../src/dashboard/shapes.ts'
import type { Counts } from '../../src/store.ts'
import type { State } from '../../src/core/job.ts'
import { addressOf } from './address.ts'
import { isState, states } from './parts/state.tsx'

/** What a list of jobs shows, as it stands in the address. */
export interface View {
  readonly state?: State | undefined
  readonly queue?: string | undefined
  readonly task?: string | undefined
  readonly text?: string | undefined
  readonly uniqueKey?: string | undefined
  readonly parent?: string | undefined
  /** Created within this time from now. */
  readonly within?: Within | undefined
  /** Created from, until: instants. */
  readonly from?: number | undefined
  readonly until?: number | undefined
  readonly order?: 'oldest' | undefined
  /** The page behind this job, or the one before that job. */
  readonly after?: string | undefined
  readonly before?: string | undefined
}

export type Within = '1h' | '24h' | '7d' | '30d'

/** The times to choose from, in milliseconds. */
export const withins: Readonly<Record<Within, { readonly ms: number; readonly text: string }>> = {
  '1h': { ms: 3_600_000, text: 'the last hour' },
  '24h': { ms: 24 * 3_600_000, text: 'the last 24 hours' },
  '7d': { ms: 7 * 24 * 3_600_000, text: 'the last 7 days' },
  '30d': { ms: 30 * 24 * 3_600_000, text: 'the last 30 days' },
}

/** Reads a view from an address; what makes no sense is left out. */
export function viewOf(query: URLSearchParams): View {
  const state = query.get('state')
  const within = query.get('within')
  const text = (name: string): string | undefined => query.get(name) || undefined
  return {
    state: isState(state) ? state : undefined,
    queue: query.get('queue') ?? undefined, // which may be called nothing
    task: text('task'),
    text: text('text'),
    uniqueKey: text('key'),
    parent: text('parent'),
    within: within !== null && isWithin(within) ? within : undefined,
    from: instantIn(query.get('from')),
    until: instantIn(query.get('until')),
    order: query.get('order') === 'oldest' ? 'oldest' : undefined,
    after: text('after'),
    before: text('before'),
  }
}

/** The address of a view. */
export function viewAddress(view: View): string {
  return addressOf('jobs', {
    state: view.state,
    queue: view.queue,
    task: view.task,
    text: view.text,
    key: view.uniqueKey,
    parent: view.parent,
    within: view.within,
    from: view.from === undefined ? undefined : new Date(view.from).toISOString(),
    until: view.until === undefined ? undefined : new Date(view.until).toISOString(),
    order: view.order,
    after: view.after,
    before: view.before,
  })
}

/** Where to read it. The page before a job is the page behind it in the other order. `minute` is the time, rounded so that the path rests. */
export function viewPath(view: View, size: number, minute: number): string {
  const { state, queue, task, text, uniqueKey, parent } = view
  const backwards = view.before !== undefined
  const oldest = (view.order === 'oldest') !== backwards
  return addressOf('api/jobs', {
    state,
    queue,
    task,
    text,
    uniqueKey,
    parent,
    ...timesOf(view, minute),
    order: oldest ? 'oldest' : undefined,
    after: view.before ?? view.after,
    limit: String(text === undefined ? size + 1 : size),
  })
}

/** A page as it is to be shown. */
export interface ShownPage {
  readonly jobs: readonly JobRow[]
  /** `after` of the next page; `undefined` on the last. */
  readonly next: string | undefined
  /** Whether it was meant to be the page before another, but there is none before it: it is the first. */
  readonly first: boolean
  readonly searched: number | null
}

/** One row more was asked for than is shown, so that the last page is known for what it is; and that of the other order is turned. */
export function shownPage({ jobs, next, searched }: JobPage, view: View, size: number): ShownPage {
  if (view.text !== undefined) return { jobs, next: next ?? undefined, first: false, searched }
  const rows = jobs.slice(0, size)
  const more = jobs.length > size
  if (view.before === undefined) return { jobs: rows, next: more ? rows.at(-1)?.id : undefined, first: false, searched }
  return { jobs: rows.toReversed(), next: rows[0]?.id, first: !more, searched }
}

/** The same for an operation on all that match. */
export function filterOf(view: View, minute: number): BulkFilter {
  const { queue, task, text, uniqueKey, parent } = view
  const times = timesOf(view, minute)
  return {
    state: view.state ?? 'any',
    ...(queue !== undefined && { queue }),
    ...(task !== undefined && { task }),
    ...(text !== undefined && { text }),
    ...(uniqueKey !== undefined && { uniqueKey }),
    ...(parent !== undefined && { parent }),
    ...(times.createdFrom !== undefined && { createdFrom: Number(times.createdFrom) }),
    ...(times.createdUntil !== undefined && { createdUntil: Number(times.createdUntil) }),
  }
}

/** Whether anything but a state narrows it. */
export function narrowed(view: View): boolean {
  const { queue, task, text, uniqueKey, parent, within, from, until } = view
  return [queue, task, text, uniqueKey, parent, within, from, until].some((one) => one !== undefined)
}

/** How many jobs of each state match, where the counters tell: they know queues and tasks. */
export function countsOf(view: View, queues: readonly QueueView[] | undefined): Counts | undefined {
  const { text, uniqueKey, parent, within, from, until } = view
  if (queues === undefined || [text, uniqueKey, parent, within, from, until].some((one) => one !== undefined))
    return undefined
  const matching = queues
    .filter((queue) => view.queue === undefined || queue.queue === view.queue)
    .flatMap((queue) =>
      view.task === undefined ? [queue.counts] : queue.tasks.filter((t) => t.task === view.task).map((t) => t.counts),
    )
  const sum = (state: State): number => matching.reduce((all, counts) => all + counts[state], 0)
  return {
    pending: sum('pending'),
    running: sum('running'),
    completed: sum('completed'),
    failed: sum('failed'),
    cancelled: sum('cancelled'),
  }
}

/** How many match in all; `undefined` where nobody knows without a look. */
export function totalOf(view: View, queues: readonly QueueView[] | undefined): number | undefined {
  const counts = countsOf(view, queues)
  if (counts === undefined) return undefined
  return view.state === undefined ? states.reduce((all, state) => all + counts[state], 0) : counts[view.state]
}

function timesOf(view: View, minute: number): { createdFrom?: string; createdUntil?: string } {
  const from = view.within === undefined ? view.from : minute - withins[view.within].ms
  return {
    ...(from !== undefined && { createdFrom: String(from) }),
    ...(view.until !== undefined && { createdUntil: String(view.until) }),
  }
}

function isWithin(text: string): text is Within {
  return Object.hasOwn(withins, text)
}

function instantIn(text: string | null): number | undefined {
  const at = text === null ? Number.NaN : Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}
