import { TimeoutError } from '../core/errors.ts'
import type { Clock } from '../runtime/clock.ts'

/** The answer, if it comes within the time. @throws TimeoutError when it does not, and whatever the asking throws until then */
export async function inTime<T>(answer: Promise<T>, ms: number, clock: Clock): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const callOff = clock.after(ms, () => reject(new TimeoutError(ms, 'The store has not answered within')))
  try {
    return await Promise.race([answer, promise])
  } finally {
    callOff()
  }
}
