import type { Bench } from './bench.ts'
import { NoFigure } from './contender-process.ts'

/** A contender that took longer for a lot is warm: it has had as much of the compiler's time as the others. */
const enoughMs = 150

/**
 * Lets every contender run until its code is compiled. Programs that run for hours are what is compared; without this a short run would
 * measure mostly how long the compiler takes, and of a queue more than of a loop.
 */
export async function warmUp(bench: Bench): Promise<void> {
  for (const contender of bench.contenders) {
    for (const work of ['one-by-one', 'concurrent', 'bulk', 'process-100'] as const) {
      for (const jobs of bench.plan.warmUp) {
        const place = await bench.place(bench.engine.steady)
        try {
          const [ms = 0] = await contender.ask(
            { kind: 'rate', work, place, durability: bench.engine.steady, jobs },
            10_000,
          )
          if (ms > enoughMs) break
        } catch (error) {
          if (!(error instanceof NoFigure)) throw error
          break // it lacks the verb, or fails: the work itself will say so
        } finally {
          await bench.discard(place)
        }
      }
    }
  }
}
