import type { Capability } from '../../core/capability.ts'
import type { Rules } from '../../store.ts'
import type { BackliteSettings } from './options.ts'

/** What the tables of backlite have room for. */
export const capabilities: ReadonlySet<Capability> = new Set(['schedule', 'retain', 'inspect', 'transaction', 'listen'])

/**
 * What backlite does where a queue's configuration says nothing: one attempt, and nothing is kept. But what has failed for good is kept for a
 * week, in its table for that, rather than be gone without a trace.
 */
export const rules: Rules = {
  queueOf: (task) => task,
  priority: 0,
  maxAttempts: 1,
  attemptsKeptBy: 'worker',
  backoff: () => 0,
  retention: { completed: 0, failed: 7 * 86_400_000, cancelled: 0, payload: 'all' },
}

/** Why nothing can be worked, if it cannot. */
export function whyNotWorked(
  { dispatcher, releaseMs }: Pick<BackliteSettings, 'dispatcher' | 'releaseMs'>,
  leaseMs: number,
): string | undefined {
  if (dispatcher === 'running') return whyNotBeside
  if (leaseMs <= releaseMs) return undefined
  return `a lease of ${leaseMs} ms would outlast \`releaseAfter\` (${releaseMs} ms), after which others take the task. Make the one shorter or the other longer`
}

/** Why nothing is taken or changed beside a dispatcher. */
export const whyNotBeside =
  "a dispatcher of backlite may be running on the file, and would not be kept from the same tasks: it reads tasks of all queues, and then claims and runs what it has read, whoever has it by then. Stop it (client.Stop) and say so: { dispatcher: 'stopped' }, or backlite:app.db?dispatcher=stopped"
