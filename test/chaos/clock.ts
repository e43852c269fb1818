import type { Instant } from '../../src/core/job.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'

/** The shortest lease that a worker accepts, in milliseconds. */
const shortestLeaseMs = 1_000

/** How much faster than real time a fleet must live for its leases to be as short as wanted. */
export function speedFor(leaseMs: number): number {
  return Math.max(1, shortestLeaseMs / leaseMs)
}

/** A clock that all processes of a run share: it ran with the real one until `epoch`, and goes `speed` times as fast since. */
export function fastClock(epoch: Instant, speed: number, random: () => number): Clock {
  return {
    now: () => fast(Date.now(), epoch, speed),
    after: (ms, call) => systemClock.after(Math.ceil(ms / speed), call),
    soon: (call) => systemClock.soon(call),
    random,
  }
}

/** What the fast clock shows at a moment of the real one. */
export function fast(real: Instant, epoch: Instant, speed: number): Instant {
  return epoch + Math.floor((real - epoch) * speed)
}
