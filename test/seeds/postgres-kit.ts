import { onTestFinished } from 'vitest'

import { type Jobs, type Logger, open, type Store } from '../../src/index.ts'
import { type PostgresOptions, PostgresStore } from '../../src/stores/postgres/index.ts'
import { ManualClock, type StoreCall, throughStore } from '../../src/testing/index.ts'
import { newSchema, type Schema } from '../servers/kit.ts'
import { T } from './kit.ts'

export { connect, newDatabase, newProxy, newSchema } from '../servers/kit.ts'
export { count, type Gate, gate, heard, next, startChild, T } from './kit.ts'

/** The options of the store, and what a test wants beside. */
export interface PostgresBenchOptions extends PostgresOptions {
  /** In place of the server's own: a way to it that can be cut off. */
  readonly url?: string
  readonly logger?: Logger
  /** Every call to the store passes through it: to count, or to fail. */
  readonly around?: (call: StoreCall, next: () => unknown) => unknown
}

/** A schema of its own on the PostgreSQL of the run, and the time in the hands of the test. */
export interface PostgresBench {
  readonly jobs: Jobs
  readonly clock: ManualClock
  readonly url: string
  readonly schema: string
  /** Opens the same schema once more, with connections of its own: what another process would be. The time is the same. */
  another(options?: PostgresBenchOptions): Promise<Jobs>
}

/** Opens a new schema, or one on a server or in a database of the test's own, for the length of the test. */
export async function openPostgresBench(
  options: PostgresBenchOptions & { readonly place?: Schema } = {},
): Promise<PostgresBench> {
  const { place = await newSchema(), ...rest } = options
  const { url, schema } = place
  const clock = new StoreManualClock({ now: T })
  const another = async ({ url: from = url, around, logger, ...own }: PostgresBenchOptions = {}): Promise<Jobs> => {
    const store = clock.watched(await PostgresStore.open(from, { schema, ...own }))
    const jobs = await open(around === undefined ? store : throughStore(store, around), {
      clock,
      logger: logger ?? false,
    })
    onTestFinished(() => clock.during(jobs.close({ grace: 0 })))
    return jobs
  }
  return { jobs: await another(rest), clock, url, schema, another }
}

/** A manual clock beside a store whose answers take real time: nothing has come to rest while one is waited for. */
class StoreManualClock extends ManualClock {
  readonly #awaited = new Set<Promise<unknown>>()

  watched<S extends Store<unknown>>(store: S): S {
    return throughStore(store, (_, next) => {
      const answer = next()
      if (!(answer instanceof Promise)) return answer
      const over = (): boolean => this.#awaited.delete(answer)
      this.#awaited.add(answer)
      answer.then(over, over)
      return answer
    })
  }

  override async settle(): Promise<void> {
    for (;;) {
      await super.settle()
      if (this.#awaited.size === 0) return
      await Promise.race(this.#awaited).catch(() => undefined) // whoever called hears of it
    }
  }
}
