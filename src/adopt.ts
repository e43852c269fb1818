import type { Ids } from './core/id.ts'
import type { Instant, Job } from './core/job.ts'
import { remove } from './core/lifecycle.ts'
import type { Store } from './store.ts'
import { defaultMaxAttempts } from './task.ts'

/** Whose waiting jobs are moved, and into which store. */
export interface Adoption {
  readonly from: Store<unknown>
  readonly to: Store<unknown>
  /** What the source is called, always the same for the same one: by it an adoption knows what one before it has left undone. */
  readonly source: string
  readonly queue?: string | undefined
  readonly task?: string | undefined
  readonly now: () => Instant
  readonly ids: Ids
  /** Told as it goes on, with the count since the last time. */
  readonly onMoved: (count: number) => void
}

/** What became of the jobs that waited: moved over, or left over there because somebody took them first. */
export interface Adopted {
  readonly moved: number
  readonly left: number
}

const pageSize = 500

/** As many as a task may ask for. A format without a limit says more than our tables can hold. */
const mostAttempts = 10_000

/**
 * Moves waiting jobs from one store into another, while workers on both sides go on.
 *
 * Two stores know no common transaction. So a copy of each job is first laid down in the target, where no worker takes it: as cancelled,
 * with a reason that says why, and never forgotten. Then the job is removed over there, which only succeeds while it still waits; and only
 * then the copy is let go. Whoever takes the job in between has it, and the copy is removed. What an adoption that was broken off has laid
 * down, the next one of the same source takes up. One of a source at a time.
 */
export async function adopt(adoption: Adoption): Promise<Adopted> {
  const { from, queue, task } = adoption
  const total = { moved: await takeUp(adoption), left: 0 }
  for (let after: string | undefined; ;) {
    const waiting = await from.list({ state: 'pending', order: 'oldest', queue, task, after, limit: pageSize })
    const moved = await move(adoption, waiting)
    total.moved += moved
    total.left += waiting.length - moved
    after = waiting.at(-1)?.id
    if (waiting.length < pageSize) return total
  }
}

/**
 * Lets go of what an adoption before has laid down and removed over there. A job that is still there is taken anew, or by somebody else. One that
 * somebody over there took and finished after the break looks like one that was removed: it runs again, which at-least-once allows.
 */
async function takeUp(adoption: Adoption): Promise<number> {
  const { from, to, source, now } = adoption
  let moved = 0
  for (let after: string | undefined; ;) {
    const copies = await to.list({
      state: 'cancelled',
      order: 'oldest',
      parent: markOf(source),
      after,
      limit: pageSize,
    })
    const originals = await from.get(copies.map(originalOf))
    moved += await letGo(
      adoption,
      copies.filter((_, i) => originals[i] === undefined),
    )
    await to.apply(copies.filter((_, i) => originals[i] !== undefined).map(remove), now())
    after = copies.at(-1)?.id
    if (copies.length < pageSize) return moved
  }
}

/** How many of these are on the other side now. */
async function move(adoption: Adoption, waiting: readonly Job[]): Promise<number> {
  const { from, to, now } = adoption
  if (waiting.length === 0) return 0
  const copies = waiting.map((job) => copyOf(job, adoption))
  await to.insert([{ jobs: copies.map((job) => ({ job, ifHeld: 'keep' })) }], now())
  const removed = await from.apply(waiting.map(remove), now())
  await to.apply(copies.filter((_, i) => removed[i]?.ok !== true).map(remove), now())
  return await letGo(
    adoption,
    copies.filter((_, i) => removed[i]?.ok === true),
  )
}

async function letGo({ to, now, onMoved }: Adoption, copies: readonly Job[]): Promise<number> {
  const at = now()
  const results = await to.apply(
    copies.map((before) => ({ before, after: goneOver(before) })),
    at,
  )
  const moved = results.filter(({ ok }) => ok).length
  onMoved(moved)
  return moved
}

/** How copies are marked that wait to be let go. No job has such a parent. */
function markOf(source: string): string {
  return `adopting from ${source}`
}

/** The copy remembers its original's id where its result would be. */
function originalOf(copy: Job): string {
  const id: unknown = JSON.parse(copy.result ?? '""')
  return typeof id === 'string' ? id : ''
}

/** The job as the target would have it, but ended. */
function copyOf(job: Job, { from, source, now, ids }: Adoption): Job {
  const at = now()
  return {
    ...job,
    id: ids(at),
    queue: job.queue === '' ? 'default' : job.queue,
    createdAt: job.createdAt === 0 ? at : job.createdAt, // a format that keeps no times says 0
    runAt: job.runAt === 0 ? at : job.runAt,
    state: 'cancelled',
    maxAttempts: attemptsOf(job, from),
    rev: 0,
    finishedAt: at,
    forgetAt: undefined,
    cancel: `It is being moved here from ${source}. If that was broken off, adopt again`,
    unique: job.unique && { ...job.unique, held: false },
    parent: markOf(source),
    result: JSON.stringify(job.id),
  }
}

/** Where no row keeps them, the format's rule may be fewer than any job has here whose task says nothing. */
function attemptsOf({ attempt, maxAttempts }: Job, { rules }: Store<unknown>): number {
  const least = rules?.attemptsKeptBy === 'worker' ? defaultMaxAttempts : 0
  return Math.min(Math.max(maxAttempts, least), Math.max(mostAttempts, attempt + 1))
}

function goneOver(copy: Job): Job {
  return {
    ...copy,
    state: 'pending',
    rev: copy.rev + 1,
    finishedAt: undefined,
    cancel: undefined,
    unique: copy.unique && { ...copy.unique, held: true },
    parent: undefined,
    result: undefined,
  }
}
