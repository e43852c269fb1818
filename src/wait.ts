import { type Duration, toMs } from './core/duration.ts'
import { TimeoutError } from './core/errors.ts'
import { expectKnown } from './core/expect.ts'
import { finished } from './core/job.ts'
import { type JobInfo, toInfo } from './info.ts'
import type { Ferry } from './ferry.ts'

export interface WaitOptions {
  /** How long to wait. Default: for ever. */
  readonly timeout?: Duration
  readonly signal?: AbortSignal
}

/** The longest time between two looks: a safety net under bells and events. */
const pollMs = 1_000

/** Looks at the job whenever something may have happened to it: an event of this process, a bell of the store, or the poll. */
export async function waitFor(ferry: Ferry, id: string, options: WaitOptions): Promise<JobInfo | undefined> {
  expectKnown(options, ['timeout', 'signal'], 'wait()')
  const timeoutMs = options.timeout === undefined ? undefined : toMs(options.timeout, 'timeout')
  const { store, clock, events } = ferry
  const end = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + timeoutMs
  let wake = (): void => undefined
  let heard = false
  const ring = (): void => {
    heard = true
    wake()
  }
  const endListening = await store.listen(ring)
  const endEvents = events.on('*', (event) => {
    if ('job' in event && event.job.id === id) ring()
  })
  options.signal?.addEventListener('abort', ring)
  try {
    for (;;) {
      heard = false // before the look, so that nothing heard during it is missed
      const [job] = await store.get([id])
      if (job === undefined || finished(job.state)) return job === undefined ? undefined : toInfo(job)
      options.signal?.throwIfAborted()
      const leftMs = end - clock.now()
      if (leftMs <= 0) throw new TimeoutError(timeoutMs ?? 0, `Job ${id} had not finished after`)
      if (heard) continue
      await new Promise<void>((resolve) => {
        const callOff = clock.after(Math.min(leftMs, pollMs), resolve)
        wake = () => {
          callOff()
          resolve()
        }
      })
    }
  } finally {
    endListening()
    endEvents()
    options.signal?.removeEventListener('abort', ring)
  }
}
