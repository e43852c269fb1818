import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

import { type EnqueueOptions, type Jobs, open, type OpenOptions, task, type Worker } from '../../src/index.ts'

/** The other process of a test, see `startChild` in `kit.ts`: does what it is told, and tells what happens. */
const opened: Jobs[] = []
let handle: DatabaseSync | undefined

const hello = task<{ n: number }>({ name: 'hello' })

/** The last file opened. */
function jobs(): Jobs {
  const last = opened.at(-1)
  if (last === undefined) throw new Error('open first')
  return last
}

/** What a store threw, as far as it can be sent. */
interface Sent {
  readonly name: string
  readonly message: string
  readonly code: unknown
  readonly retryable: unknown
}

const actions = {
  async open(files: string | readonly string[], options: OpenOptions = {}): Promise<void> {
    const urls = typeof files === 'string' ? `sqlite:${files}` : files.map((file) => `sqlite:${file}`)
    opened.push(await open(urls, { logger: false, ...options }))
  },

  /** A store that is no file. */
  async openUrl(url: string, options: OpenOptions = {}): Promise<void> {
    opened.push(await open(url, { logger: false, ...options }))
  },

  /** As `open`, by a user who may not do everything. */
  async openAs(user: number, file: string): Promise<void> {
    await (await open('sqlite::memory:')).close() // what is loaded when it is needed may lie where that user may not read
    process.setgid?.(user)
    process.setuid?.(user)
    await actions.open(file)
  },

  async close(): Promise<void> {
    await opened.pop()?.close()
  },

  /** What comes of a transaction of a library that is not the store's. */
  async enqueueWithBetterSqlite3(file: string): Promise<Sent | undefined> {
    const { default: BetterSqlite3 } = await import('better-sqlite3')
    const db = new BetterSqlite3(file)
    db.exec('begin')
    try {
      jobs().enqueue(hello, { n: 1 }, { tx: db })
      db.exec('commit')
      return undefined
    } catch (error) {
      db.exec('rollback')
      return sent(error)
    }
  },

  async enqueue(n: number, options: EnqueueOptions = {}): Promise<string> {
    return (await jobs().enqueue(hello, { n }, options)).id
  },

  /** Enqueues in a transaction of this process's own. */
  enqueueInTransaction(file: string, n: number): string {
    const db = new DatabaseSync(file, { timeout: 5_000 })
    db.exec('begin')
    const { id } = jobs().enqueue(hello, { n }, { tx: db })
    db.exec('commit')
    db.close()
    return id
  },

  /** Works jobs with a handler that leaves a rejection behind, which ends the process. */
  async crash(): Promise<void> {
    const handled = hello.handle(() => {
      void Promise.reject(new Error('nobody hears this'))
      return new Promise(() => undefined)
    })
    jobs().work([handled], { lease: '1s' })
    await new Promise(() => undefined)
  },

  /** Works until so many jobs have been completed, here or elsewhere; answers those that were run here. */
  async runAll(howMany: number): Promise<readonly string[]> {
    const ran: string[] = []
    const worker = jobs().work([hello.handle((_, job) => void ran.push(job.id))], { poll: '100ms' })
    while (((await jobs().stats())[0]?.counts.completed ?? 0) < howMany)
      await jobs().lease({ queue: 'no', wait: '50ms' })
    await worker.stop()
    return ran
  },

  /** Works until so many jobs have been completed, here or elsewhere; answers when each run here began and ended, by one clock for all processes. */
  async timeAll(howMany: number): Promise<readonly (readonly [number, number])[]> {
    const runs: [number, number][] = []
    const now = (): number => Number(process.hrtime.bigint())
    const handled = hello.handle(async () => {
      const from = now()
      await jobs().list({ limit: 10 })
      runs.push([from, now()])
    })
    const worker = jobs().work([handled], { poll: '100ms' })
    while (((await jobs().stats())[0]?.counts.completed ?? 0) < howMany)
      await jobs().lease({ queue: 'no', wait: '50ms' })
    await worker.stop()
    return runs
  },

  /** Works until the process ends; tells `ran` with the payload's number, and is idle once this answers. */
  async work(options: { readonly poll: `${number}s` }): Promise<void> {
    const worker: Worker = jobs().work([hello.handle(({ n }) => tell('ran', n))], options)
    const { id } = await jobs().enqueue(hello, { n: 0 })
    await jobs().wait(id)
    if (worker.state !== 'working') throw new Error('stopped')
  },

  async take(lease: `${number}s`): Promise<number | undefined> {
    return ((await jobs().lease({ for: lease }))?.payload as { n: number } | undefined)?.n
  },

  async cancel(id: string): Promise<string> {
    return await jobs().cancel(id, 'by another process')
  },

  async wait(id: string): Promise<unknown> {
    return await jobs().wait(id)
  },

  /** Completes jobs one after the other, each with its effect in one transaction; tells `paid` after the first hundred. */
  async pay(file: string): Promise<void> {
    const db = new DatabaseSync(file, { timeout: 5_000 })
    for (let paid = 1; ; paid++) {
      const held = await jobs().lease({ for: '10m' })
      if (held === undefined) return
      db.exec('begin immediate')
      db.exec('insert into effect values (1)')
      held.complete(undefined, { tx: db })
      db.exec('commit')
      if (paid === 100) tell('paid')
    }
  },

  /** Takes the file's write lock and keeps it: for so long, or until `letGo`. */
  hold(file: string, forMs?: number): void {
    handle = new DatabaseSync(file, { timeout: 5_000 })
    handle.exec('begin immediate')
    if (forMs !== undefined) setTimeout(() => actions.letGo(), forMs)
  },

  /** Makes a file that is not a WAL file yet and keeps it to itself for so long. */
  makeSlowly(file: string, forMs: number): void {
    handle = new DatabaseSync(file)
    handle.exec('begin exclusive; create table app (a)')
    setTimeout(() => actions.letGo(), forMs)
  },

  letGo(): void {
    handle?.exec('commit')
    handle?.close()
    handle = undefined
  },

  /** Many different calls, one after the other; answers how many jobs it has added and ended. */
  async mix(seed: number, rounds: number): Promise<{ added: number; ended: number }> {
    const random = dice(seed)
    let added = 0
    let ended = 0
    for (let round = 0; round < rounds; round++) {
      const roll = random()
      if (roll < 0.3) {
        await jobs().enqueue(hello, { n: round }, { priority: Math.floor(random() * 3) })
        added++
      } else if (roll < 0.4) {
        const many = Array.from({ length: 5 }, (_, n) => hello.with({ n }, { queue: `q${Math.floor(random() * 3)}` }))
        added += (await jobs().enqueueMany(many)).length
      } else if (roll < 0.5) {
        const { outcome } = await jobs().enqueue(
          hello,
          { n: round },
          { unique: { key: `k${Math.floor(random() * 5)}`, onConflict: random() < 0.5 ? 'keep' : 'replace' } },
        )
        if (outcome === 'added') added++
      } else if (roll < 0.85) {
        const held = await jobs().lease({ for: '10m' })
        const end = random()
        if (end < 0.7) ended += (await held?.complete({ round })) === true ? 1 : 0
        else if (end < 0.8) await held?.fail(new Error('no'))
        else if (end < 0.9) await held?.release()
        else if ((await held?.extend('20m')) === true) ended += (await held?.complete()) === true ? 1 : 0
      } else if (roll < 0.9) await jobs().stats()
      else if (roll < 0.95) await jobs().list({ state: 'pending', limit: 10 })
      else {
        const [first] = await jobs().list({ state: 'pending', limit: 1 })
        if (first !== undefined && (await jobs().cancel(first.id)) === 'cancelled') ended++
      }
    }
    return { added, ended }
  },

  /** The jobs that this process can take of those that wait, and complete. */
  async drain(): Promise<readonly string[]> {
    const ids: string[] = []
    for (;;) {
      const held = await jobs().lease({ for: '10m' })
      if (held === undefined) return ids
      if (await held.complete()) ids.push(held.id)
    }
  },

  inodes(file: string): readonly number[] {
    return [file, `${file}-wal`, `${file}-shm`].map((path) => statSync(path).ino)
  },
}

export type Actions = typeof actions

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

function tell(name: string, value?: unknown): void {
  process.send?.({ told: name, value })
}

function sent(error: unknown): Sent {
  const { name, message, code, retryable } = error as Sent
  return { name, message, code, retryable }
}

process.on('message', ({ id, name, args }: { id: number; name: keyof Actions; args: never[] }) => {
  const act: (...given: never[]) => unknown = actions[name]
  Promise.try(act, ...args).then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: sent(error) }),
  )
})
process.on('disconnect', () => process.exit())
tell('ready')
