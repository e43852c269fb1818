import { fromMs } from '../core/duration.ts'
import type { Logger } from '../logger.ts'
import type { Worker } from '../worker.ts'
import type { Io, Signal } from './io.ts'

/** Ctrl-C under npm arrives twice, from the terminal and from npm: the same signal so soon again, in milliseconds, is an echo. */
const echoMs = 500

/**
 * Lets a worker work until a signal comes, then drains it. A second signal ends the grace, a third the process.
 *
 * Calls `ready` once signals are heard. Resolves to whether every run ended by itself.
 */
export function untilStopped(
  worker: Worker,
  graceMs: number,
  io: Io,
  log: Logger,
  ready: () => void,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let count = 0
    let last: { readonly signal: Signal; readonly at: number } | undefined
    const heard = (signal: Signal): void => {
      const at = performance.now()
      if (last?.signal === signal && at - last.at < echoMs) return
      last = { signal, at }
      count++
      if (count > 2) return io.exit(1)
      const now = { running: worker.running }
      if (count === 1) log.info(`${signal}: draining for up to ${fromMs(graceMs)}`, now)
      else log.warn(`${signal} again: stopping at once`, now)
      worker.stop({ grace: count === 1 ? graceMs : 0 }).then(done, reject)
    }
    const interrupt = (): void => heard('SIGINT')
    const terminate = (): void => heard('SIGTERM')
    const done = (ended: boolean): void => {
      io.signals.off('SIGINT', interrupt)
      io.signals.off('SIGTERM', terminate)
      resolve(ended)
    }
    io.signals.on('SIGINT', interrupt)
    io.signals.on('SIGTERM', terminate)
    ready()
  })
}
