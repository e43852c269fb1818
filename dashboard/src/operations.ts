import type { BulkRequest, Operation } from '../../src/dashboard/shapes.ts'
import { Cell } from './cell.ts'
import { ask, send } from './wire.ts'

/** Bulk operations that somebody wants to see: begun here, or still going on. By id, the oldest first. */
export const operations = new Cell<ReadonlyMap<string, Operation>>(new Map())

const dismissed = new Set<string>()
const pollMs = 1_500
/** How long one that went well is shown after its end. */
const shownMs = 10_000

/** Starts one; it goes on when the page is left. @throws Refused */
export async function start(request: BulkRequest): Promise<void> {
  const operation = await send<Operation>('POST', 'api/operations', request)
  noteOperation(operation)
  void follow(operation.id)
}

/** Asks it to stop; what is done stays done. @throws Refused */
export async function stop(id: string): Promise<void> {
  noteOperation(await send<Operation>('DELETE', `api/operations/${id}`))
}

/** Told of each state; one that ended is not made to go on by news that come late. */
export function noteOperation(operation: Operation): void {
  if (dismissed.has(operation.id)) return
  const known = operations.value.get(operation.id)
  if (known !== undefined && known.state !== 'running' && operation.state === 'running') return
  operations.set(new Map(operations.value).set(operation.id, operation))
  if (known?.state !== operation.state && operation.state === 'done' && operation.failed === 0)
    setTimeout(() => dismiss(operation.id), shownMs)
}

/** Takes it off the page. */
export function dismiss(id: string): void {
  dismissed.add(id)
  const rest = new Map(operations.value)
  rest.delete(id)
  operations.set(rest)
}

/** Events are hints: the end is also asked for. */
async function follow(id: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, pollMs))
  if (operations.value.get(id)?.state !== 'running') return
  const operation = await ask<Operation>(`api/operations/${id}`).catch(() => undefined)
  if (operation !== undefined) noteOperation(operation)
  await follow(id)
}
