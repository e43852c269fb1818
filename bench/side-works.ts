import { type Contender, type Durability, makeJobs, type Session, type Stuck } from './contender.ts'
import { needed } from './works.ts'

/** How long each claim took while `workers` claim side by side, each replacing what it took. In milliseconds, of all of them together. */
export async function contend(
  contender: Contender,
  order: {
    readonly place: string
    readonly durability: Durability
    readonly workers: number
    readonly times: number
    readonly limit: number
    readonly withinMs: number
  },
  fill: (into: Session, count: number) => Promise<void>,
): Promise<readonly number[]> {
  const { place, durability, workers, times, limit, withinMs } = order
  const sessions: Session[] = []
  const all: number[] = []
  try {
    while (sessions.length < workers) sessions.push(await contender.open(place, durability, false, false))
    const begun = performance.now()
    const worker = async (session: Session): Promise<void> => {
      for (let i = -1; i < times && (i < 1 || performance.now() - begun < withinMs); i += 1) {
        const start = performance.now()
        const settle = await needed(session, 'claim')(limit)
        if (i >= 0) all.push(performance.now() - start) // the first one only warms up
        await settle()
        await fill(session, limit)
      }
    }
    await Promise.all(sessions.map(worker))
  } finally {
    for (const session of sessions) await session.close()
  }
  return all
}

/** How long `jobs` took to run with `count` before them that cannot, for that reason. @throws Error when a job was lost or doubled */
export async function behindStuck(
  contender: Contender,
  order: {
    readonly stuck: Stuck | undefined
    readonly place: string
    readonly durability: Durability
    readonly count: number
    readonly jobs: number
  },
): Promise<number> {
  const { stuck, place, durability, count, jobs } = order
  const raw = contender.raw === true
  const session = await contender.open(place, durability, false, false)
  try {
    const drain = needed(session, 'drain')
    if (stuck !== undefined) await needed(session, 'stick')(stuck, makeJobs(count, jobs, raw))
    await session.fill(makeJobs(jobs, 0, raw))
    await contender.learn?.(place)
    const seen = new Uint8Array(jobs)
    const start = performance.now()
    await drain(jobs, 100, ({ n }) => (seen[n] = (seen[n] ?? 0) + 1))
    const ms = performance.now() - start
    const { unfinished } = await contender.count(place)
    const left = stuck === undefined ? 0 : count
    if (unfinished !== left) throw new Error(`${unfinished} jobs are left where there should be ${left}`)
    const wrong = raw ? 0 : seen.filter((times) => times !== 1).length
    if (wrong > 0) throw new Error(`${wrong} of ${jobs} jobs were not run exactly once`)
    return ms
  } finally {
    await session.close()
  }
}
