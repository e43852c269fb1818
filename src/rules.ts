import type { Rules } from './store.ts'
import type { ResolvedPolicy } from './task.ts'

/** A task's policy in a store that has rules of its own: they hold wherever the task has said nothing. */
export function underRules(task: string, policy: ResolvedPolicy, rules: Rules | undefined): ResolvedPolicy {
  if (rules === undefined) return policy
  const { said } = policy
  return {
    ...policy,
    queue: said.has('queue') ? policy.queue : (rules.queueOf?.(task) ?? policy.queue),
    priority: said.has('priority') ? policy.priority : rules.priority,
    maxAttempts: said.has('maxAttempts') ? policy.maxAttempts : rules.maxAttempts,
    backoff: said.has('backoff') ? policy.backoff : rules.backoff,
    retention: said.has('retention') ? policy.retention : rules.retention,
  }
}
