import type { Write } from '../../src/core/lifecycle.ts'
import type { Instant } from '../../src/core/job.ts'
import type { Batch, ClaimRequest, Expired, Renewal, Store } from '../../src/store.ts'
import { during, type Failpoints } from './failpoints.ts'
import type { Role } from './plan.ts'

/**
 * The store as it is, but with every call that writes named for the tape and the failpoints, and with the points at which a worker stalls.
 * It has no clock of its own: the fleet's is faster than any server's, and all processes share it.
 */
export function watched(store: Store<unknown>, role: Role, failpoints: Failpoints): Store<unknown> {
  const instead: Partial<Store<unknown>> = {
    claim(request: ClaimRequest) {
      const settles = (request.settle ?? []).length > 0
      if (settles) failpoints.pass('settle.stall')
      return during(settles ? 'settle' : 'claim', () => store.claim(request))
    },
    /** Without a transaction it is a worker that takes back from the dead, or a producer that cancels. */
    apply(writes: readonly Write[], now: Instant, tx?: unknown) {
      if (tx !== undefined) return store.apply(writes, now, tx)
      return during(role === 'worker' ? 'rescue' : 'cancel', () => store.apply(writes, now))
    },
    insert(batches: readonly Batch[], now: Instant, tx?: unknown) {
      if (tx !== undefined) return store.insert(batches, now, tx)
      return during('insert', () => store.insert(batches, now))
    },
    renew: (renewals: readonly Renewal[], until: Instant, now: Instant) =>
      during('renew', () => store.renew(renewals, until, now)),
    async expired(now: Instant, limit: number): Promise<Expired> {
      const expired = await store.expired(now, limit)
      if (expired.jobs.length > 0) failpoints.pass('rescue.stall')
      return expired
    },
  }
  return new Proxy(store, {
    get(target, name) {
      if (name === 'time') return undefined
      if (Object.hasOwn(instead, name)) return Reflect.get(instead, name) as unknown
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
    has: (target, name) => name !== 'time' && Reflect.has(target, name),
  })
}
