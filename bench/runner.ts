import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { type Contender, makeJobs, type Session } from './contender.ts'
import { type Answer, instant, type Order, type Picked } from './orders.ts'
import { behindStuck, contend } from './side-works.ts'
import { Absent, needed, rate } from './works.ts'

/**
 * The process of one contender: takes orders one after the other until its parent goes. `node bench/runner.ts <contender>`, forked with IPC
 * and `--expose-gc`.
 *
 * Each contender keeps one process for the whole run, so that none pays for another's garbage, and all are warm alike.
 */
let session: Session | undefined
let unlisten: (() => unknown) | undefined
/** Where the session is. */
let where = ''
/** Numbers the jobs of this process, so that no raw id comes twice. */
let next = 0

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- engines.ts names these files
const { default: contender } = (await import(`./contenders/${process.argv[2]}.ts`)) as { default: Contender }

process.on('disconnect', () => process.exit())
process.on('message', (order: Order) => {
  void answer(order).then((reply) => process.send?.(reply))
})
process.send?.('ready')

async function answer(order: Order): Promise<Answer> {
  try {
    return { ok: true, numbers: await obey(order) }
  } catch (error) {
    const absent = error instanceof Absent
    return {
      ok: false,
      absent,
      why: error instanceof Error ? ((absent ? undefined : error.stack) ?? error.message) : String(error),
    }
  }
}

async function obey(order: Order): Promise<readonly number[]> {
  switch (order.kind) {
    case 'rate':
      return [await rate(contender, order.work, order.place, order.durability, order.jobs)]
    case 'open':
      if (order.keep && !contender.finished.includes('kept')) throw new Absent('it cannot keep finished jobs')
      session = await contender.open(order.place, order.durability, order.keep, order.idle)
      where = order.place
      return []
    case 'close':
      await session?.close()
      session = undefined
      return []
    case 'fill':
      return [await took(() => fill(opened(), order.jobs))]
    case 'drain':
      return [await took(() => needed(opened(), 'drain')(order.jobs, 100, () => undefined))]
    case 'claims':
      return await claims(opened(), order.times, order.limit, order.withinMs)
    case 'learn':
      await contender.learn?.(where)
      return []
    case 'contend':
      return await contend(contender, order, fill)
    case 'stuck':
      return [await behindStuck(contender, order)]
    case 'pickups':
      return await pickups(opened(), order.times, order.withinMs)
    case 'listen':
      unlisten = await needed(
        opened(),
        'listen',
      )((n) => {
        const at = instant()
        process.send?.({ picked: n, at } satisfies Picked)
      })
      return []
    case 'unlisten':
      await unlisten?.()
      return []
    case 'enqueue': {
      const jobs = makeJobs(1, order.n, false)
      const at = instant()
      await opened().oneByOne(jobs)
      return [at]
    }
    case 'memory':
      return await memory(opened(), order.jobs, order.each)
  }
}

function opened(): Session {
  if (session === undefined) throw new Error('No store is open')
  return session
}

async function took(call: () => unknown): Promise<number> {
  const start = performance.now()
  await call()
  return performance.now() - start
}

/** In lots, so that ten million payloads need not be in memory at once. */
async function fill(into: Session, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 10_000) {
    const jobs = makeJobs(Math.min(left, 10_000), next, contender.raw === true)
    next += jobs.length
    await into.fill(jobs)
  }
}

async function claims(from: Session, times: number, limit: number, withinMs: number): Promise<readonly number[]> {
  const begun = performance.now()
  const claim = needed(from, 'claim')
  const all = []
  for (let i = 0; i < times && (i === 0 || performance.now() - begun < withinMs); i += 1) {
    const start = performance.now()
    const settle = await claim(limit)
    all.push(performance.now() - start)
    await settle()
    await fill(from, limit)
  }
  return all
}

/** For how long pick-ups follow one another before those that count: until the code is compiled (`warmUp`). Who polls gets no further than one. */
const warmUpMs = 100

async function pickups(at: Session, times: number, withinMs: number): Promise<readonly number[]> {
  if (contender.raw === true) return await handOvers(at, times)
  let arrived = (): void => undefined
  const end = await needed(at, 'listen')(() => arrived())
  const pickUp = async (): Promise<number> => {
    const jobs = makeJobs(1, next, false)
    next += 1
    const { promise, resolve } = Promise.withResolvers<number>()
    arrived = () => resolve(performance.now())
    const start = performance.now()
    await at.oneByOne(jobs)
    return (await promise) - start
  }
  const begun = performance.now()
  while (performance.now() - begun < warmUpMs) await pickUp()
  const all = []
  for (let i = -5; i < times && (i < 3 || performance.now() - begun < withinMs); i += 1) {
    await lull()
    const ms = await pickUp()
    if (i >= 0) all.push(ms) // the first five only warm up
  }
  await end()
  return all
}

/**
 * Long enough for a worker to be idle again, and of irregular length. The timers of one process fire together, so the last bit is not waited
 * for with one: otherwise whoever polls once a millisecond would always look just after the enqueue.
 */
async function lull(): Promise<void> {
  await sleep(2 + Math.random() * 5)
  const until = performance.now() + Math.random() * 1.2
  while (performance.now() < until) await turn()
}

/** The least that a pick-up can be: one insert, and at once one claim. */
async function handOvers(at: Session, times: number): Promise<readonly number[]> {
  const claim = needed(at, 'claim')
  const all = []
  for (let i = -5; i < times; i += 1) {
    const jobs = makeJobs(1, next, true)
    next += 1
    await lull()
    const start = performance.now()
    await at.oneByOne(jobs)
    const settle = await claim(1)
    if (i >= 0) all.push(performance.now() - start)
    await settle()
  }
  return all
}

async function memory(at: Session, count: number, each: number): Promise<readonly number[]> {
  const drain = needed(at, 'drain')
  const samples = []
  for (let done = 0; done < count; done += each) {
    await fill(at, each)
    await drain(each, 100, () => undefined)
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    samples.push(heapUsed / 2 ** 20, rss / 2 ** 20)
  }
  return samples
}
