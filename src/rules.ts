import { UsageError } from './core/errors.ts'
import type { Rules } from './store.ts'
import type { AnyTask, ResolvedPolicy } from './task.ts'

/**
 * A task's policy in a store that has rules of its own: they hold wherever the task has said nothing.
 * @throws UsageError for `maxAttempts` where nobody counts
 */
export function underRules(
  { name, policy }: Pick<AnyTask, 'name' | 'policy'>,
  rules: Rules | undefined,
): ResolvedPolicy {
  if (rules === undefined) return policy
  const { said } = policy
  if (rules.attemptsKeptBy === 'nobody' && said.has('maxAttempts'))
    throw new UsageError(
      `The task "${name}" has \`maxAttempts\`, and this store's format does not count the runs of a job: leave it out, or throw an UnrecoverableError when it is enough`,
    )
  return {
    ...policy,
    queue: said.has('queue') ? policy.queue : (rules.queueOf?.(name) ?? policy.queue),
    priority: said.has('priority') ? policy.priority : rules.priority,
    maxAttempts: said.has('maxAttempts') ? policy.maxAttempts : rules.maxAttempts,
    backoff: said.has('backoff') ? policy.backoff : rules.backoff,
    retention: said.has('retention') ? policy.retention : rules.retention,
  }
}
