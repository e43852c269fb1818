import type { Write } from '../../src/core/lifecycle.ts'
import type {
  Awaitable,
  Batch,
  BatchResult,
  ClaimRequest,
  Claimed,
  Expired,
  Renewal,
  Renewed,
  WriteResult,
} from '../../src/store.ts'
import { type SqliteHandle, SqliteStore } from '../../src/stores/sqlite/index.ts'
import { during, type Failpoints } from './failpoints.ts'
import { Handle } from './handle.ts'
import { files, type Part } from './plan.ts'

/** The SQLite store as it is, with every write named for the tape and failpoints around it. */
export class WatchedStore extends SqliteStore {
  readonly #part: Part
  readonly #failpoints: Failpoints

  constructor(part: Part, failpoints: Failpoints) {
    super({ file: files.database(part.plan.dir), driver: (file) => new Handle(file, part, failpoints) })
    this.#part = part
    this.#failpoints = failpoints
  }

  override claim(request: ClaimRequest): Awaitable<Claimed> {
    const settles = (request.settle ?? []).length > 0
    if (settles) this.#failpoints.pass('settle.stall')
    return during(settles ? 'settle' : 'claim', () => super.claim(request))
  }

  /** Without a transaction it is a worker that takes back from the dead, or a producer that cancels. */
  override apply(writes: readonly Write[], now: number, tx?: SqliteHandle): Awaitable<readonly WriteResult[]> {
    if (tx !== undefined) return super.apply(writes, now, tx)
    return during(this.#part.role === 'worker' ? 'rescue' : 'cancel', () => super.apply(writes, now))
  }

  override insert(batches: readonly Batch[], now: number, tx?: SqliteHandle): Awaitable<readonly BatchResult[]> {
    if (tx !== undefined) return super.insert(batches, now, tx)
    return during('insert', () => super.insert(batches, now))
  }

  override renew(
    renewals: readonly Renewal[],
    until: number,
    now: number,
  ): Awaitable<readonly (Renewed | undefined)[]> {
    return during('renew', () => super.renew(renewals, until, now))
  }

  override async expired(now: number, limit: number): Promise<Expired> {
    const expired = await super.expired(now, limit)
    if (expired.jobs.length > 0) this.#failpoints.pass('rescue.stall')
    return expired
  }
}
