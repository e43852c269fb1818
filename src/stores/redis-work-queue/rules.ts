import type { Rules } from '../../store.ts'
import { endless } from './row.ts'

/** What the protocol has: no end of attempts, and nothing is kept of what has ended. A lease that was not completed is tried again after 30 s. */
export const rules: Rules = {
  priority: 0,
  maxAttempts: endless,
  attemptsKeptBy: 'nobody',
  backoff: () => 30_000,
  retention: { completed: 0, failed: 0, cancelled: 0, payload: 'all' },
}
