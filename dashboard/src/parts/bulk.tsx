import type { JSX } from 'preact'

import type { BulkAction, Operation } from '../../../src/dashboard/shapes.ts'
import { useCell } from '../cell.ts'
import { count, jobs } from '../format.ts'
import { complain } from '../notices.ts'
import { dismiss, operations, stop } from '../operations.ts'
import { Icon, type IconName } from './icon.tsx'

export const bulkIcons: Readonly<Record<BulkAction, IconName>> = {
  retry: 'retry',
  run: 'play',
  cancel: 'cancel',
  edit: 'edit',
  delete: 'trash',
}

const doing: Readonly<Record<BulkAction, string>> = {
  retry: 'Retrying',
  run: 'Making due',
  cancel: 'Cancelling',
  edit: 'Editing',
  delete: 'Deleting',
}

const did: Readonly<Record<BulkAction, string>> = {
  retry: 'retried',
  run: 'made due',
  cancel: 'cancelled',
  edit: 'edited',
  delete: 'deleted',
}

/** Bulk operations as they go on, and what came of them, over the corner of every page. */
export function OperationCards(): JSX.Element {
  const all = useCell(operations)
  return (
    <>
      {[...all.values()].map((operation) => (
        <OperationCard key={operation.id} operation={operation} />
      ))}
    </>
  )
}

function OperationCard({ operation }: { readonly operation: Operation }): JSX.Element {
  const running = operation.state === 'running'
  return (
    <div class={`card operation ${operation.state}`} data-operation={operation.state}>
      <header>
        <Icon
          name={running ? bulkIcons[operation.action] : operation.failed > 0 || operation.error ? 'warn' : 'check'}
        />
        <strong>{title(operation)}</strong>
        <span class="grow" />
        {running ? (
          <button type="button" class="link" onClick={() => void stop(operation.id).catch(complain)}>
            Stop
          </button>
        ) : (
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismiss(operation.id)}>
            <Icon name="cross" />
          </button>
        )}
      </header>
      {running && <Progress operation={operation} />}
      <p class="muted">{particulars(operation)}</p>
      {operation.failures.slice(0, 3).map((failure) => (
        <p key={failure.id} class="bad">
          {failure.id}: {failure.message}
        </p>
      ))}
      {operation.error !== null && <p class="bad">{operation.error}</p>}
    </div>
  )
}

function Progress({ operation }: { readonly operation: Operation }): JSX.Element {
  const { total, seen } = operation
  return total === null || total === 0 ? (
    <progress aria-label="In progress" />
  ) : (
    <progress aria-label="Progress" max={total} value={Math.min(seen, total)} />
  )
}

function title({ action, state, done }: Operation): string {
  switch (state) {
    case 'running':
      return `${doing[action]} …`
    case 'done':
      return `${jobs(done)} ${did[action]}`
    case 'stopped':
      return `Stopped: ${jobs(done)} ${did[action]}`
    case 'failed':
      return `Failed: ${jobs(done)} ${did[action]}`
  }
}

function particulars({ state, total, seen, done, skipped, failed }: Operation): string {
  const parts: string[] = []
  if (state === 'running') parts.push(total === null ? `${count(seen)} seen` : `${count(seen)} of ${count(total)} seen`)
  if (state === 'running') parts.push(`${count(done)} done`)
  if (skipped > 0) parts.push(`${count(skipped)} skipped: gone, or in a state that does not allow it`)
  if (failed > 0) parts.push(`${count(failed)} failed`)
  return parts.join(' · ')
}
