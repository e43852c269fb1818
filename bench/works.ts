import { type Contender, type Durability, makeJobs, type Payload, type Session } from './contender.ts'

/** Works that count jobs per second. */
export const rateWorks = [
  'one-by-one',
  'concurrent',
  'bulk',
  'process-1',
  'process-10',
  'process-100',
  'process-100-retaining',
] as const
/** `process-500` is not for every engine. */
export type RateWork = (typeof rateWorks)[number] | 'process-500'

/** The contender has no such verb. */
export class Absent extends Error {
  override readonly name = 'Absent'
}

const width = 100
const bulkSize = 1_000

/** One round on a fresh store: how long the timed part took, in milliseconds. @throws Absent · Error when a job was lost or doubled */
export async function rate(
  contender: Contender,
  work: RateWork,
  place: string,
  durability: Durability,
  count: number,
): Promise<number> {
  const keep = work === 'process-100-retaining'
  if (keep && !contender.finished.includes('kept')) throw new Absent('it cannot keep finished jobs')
  const jobs = makeJobs(count, 0, contender.raw === true)
  const session = await contender.open(place, durability, keep, false)
  try {
    const seen = new Uint8Array(count)
    const timed = await prepared(session, work, jobs, ({ n }) => (seen[n] = (seen[n] ?? 0) + 1))
    if (durability !== 'relaxed') contender.ripen?.(place)
    if (work in concurrencies) await contender.learn?.(place)
    globalThis.gc?.()
    const start = performance.now()
    await timed()
    const ms = performance.now() - start
    await check(contender, work, place, count, seen)
    return ms
  } finally {
    await session.close()
  }
}

/** Does what comes before, and returns what is timed. */
async function prepared(
  session: Session,
  work: RateWork,
  jobs: ReturnType<typeof makeJobs>,
  ran: (payload: Payload) => void,
): Promise<() => unknown> {
  switch (work) {
    case 'one-by-one':
      return () => session.oneByOne(jobs)
    case 'concurrent':
      return () => needed(session, 'concurrent')(jobs, width)
    case 'bulk':
      return () => needed(session, 'bulk')(jobs, bulkSize)
    case 'process-1':
    case 'process-10':
    case 'process-100':
    case 'process-100-retaining':
    case 'process-500': {
      const drain = needed(session, 'drain')
      await session.fill(jobs)
      return () => drain(jobs.length, concurrencies[work], ran)
    }
  }
}

const concurrencies = {
  'process-1': 1,
  'process-10': 10,
  'process-100': 100,
  'process-100-retaining': 100,
  'process-500': 500,
}

const words: Partial<Record<keyof Session, string>> = {
  bulk: 'bulk enqueue',
  drain: 'worker',
  listen: 'worker',
  claim: 'claim by hand',
  stick: 'such jobs',
}

/** @throws Absent if the contender has no such verb */
export function needed<Verb extends keyof Session>(session: Session, verb: Verb): NonNullable<Session[Verb]> {
  const found = session[verb]
  if (found === undefined) throw new Absent(`it has no ${words[verb] ?? verb}`)
  return found
}

/** Looks through another connection, so at what is really in the store. */
async function check(
  contender: Contender,
  work: RateWork,
  place: string,
  count: number,
  seen: Uint8Array,
): Promise<void> {
  const { stored, unfinished } = await contender.count(place)
  if (!(work in concurrencies)) {
    if (stored !== count || unfinished !== count) throw new Error(`${count} jobs were enqueued, ${stored} are stored`)
    return
  }
  if (unfinished !== 0) throw new Error(`${unfinished} of ${count} jobs are not settled`)
  const kept = work === 'process-100-retaining' || !contender.finished.includes('removed') ? count : 0
  if (stored !== kept) throw new Error(`${stored} jobs are stored where there should be ${kept}`)
  if (contender.raw === true) return
  const wrong = seen.filter((times) => times !== 1).length
  if (wrong > 0) throw new Error(`${wrong} of ${count} jobs were not run exactly once`)
}
