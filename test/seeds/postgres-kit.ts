import { onTestFinished } from 'vitest'

import { type Jobs, open, type Store } from '../../src/index.ts'
import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { ManualClock, type StoreCall, throughStore } from '../../src/testing/index.ts'
import { newSchema } from '../servers/kit.ts'
import { T } from './kit.ts'

export { connect, newPostgres, newProxy } from '../servers/kit.ts'
export { count, type Gate, gate, heard, next, startChild, T } from './kit.ts'

type Around = (call: StoreCall, next: () => unknown) => unknown

/** A schema of its own on the PostgreSQL of the run, and the time in the hands of the test. */
export interface PostgresBench {
  readonly jobs: Jobs
  readonly clock: ManualClock
  readonly url: string
  readonly schema: string
  /** Opens the same schema once more, with connections of its own: what another process would be. The time is the same. */
  another(around?: Around): Promise<Jobs>
}

/** Opens a new schema for the length of the test; every call to the store passes through `around`, if given: to count, or to fail. */
export async function openPostgresBench(around?: Around): Promise<PostgresBench> {
  const { url, schema } = await newSchema()
  const clock = new StoreManualClock({ now: T })
  const another = async (through: Around = (_, next) => next()): Promise<Jobs> => {
    const store = clock.watched(await PostgresStore.open(url, { schema }))
    const jobs = await open(throughStore(store, through), { clock, logger: false })
    onTestFinished(() => clock.during(jobs.close({ grace: 0 })))
    return jobs
  }
  return { jobs: await another(around), clock, url, schema, another }
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
