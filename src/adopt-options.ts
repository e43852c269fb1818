import type { Adoption } from './adopt.ts'
import { UsageError } from './core/errors.ts'
import { expectFunction, expectKnown, expectName } from './core/expect.ts'
import type { Ferry } from './ferry.ts'

/** Which waiting jobs to move here, from where. */
export interface AdoptOptions {
  /** What the source is called: the same each time, so that an adoption that was broken off can be finished by calling again. */
  readonly source: string
  readonly queue?: string
  readonly task?: string
  /** Told as it goes on, with the count of jobs moved since the last time. */
  readonly onMoved?: (count: number) => void
}

/** @throws UsageError for a bad option, a target that is a guest, or a source that may not be worked · UnsupportedError when its jobs cannot be listed */
export function toAdoption(from: Ferry, to: Ferry, options: AdoptOptions): Adoption {
  expectKnown(options, ['source', 'queue', 'task', 'onMoved'], 'adopt()')
  const { queue, task, onMoved = () => undefined } = options
  const source = expectName(options.source, 'source', 200)
  if (queue !== undefined) expectName(queue, 'queue', 255, 0)
  if (task !== undefined) expectName(task, 'task')
  expectFunction(onMoved, 'onMoved')
  from.expectCapability('inspect')
  from.expectWork(0)
  const { store, clock, ids } = to
  if (store.rules !== undefined)
    throw new UsageError(
      `Expected a store of jobferry's own to adopt into; ${store.name} is the format of another queue`,
    )
  return { from: from.store, to: store, source, queue, task, now: () => clock.now(), ids, onMoved }
}
