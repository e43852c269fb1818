import type { Capability } from '../../core/capability.ts'

/** An id is a unique key, held until its job is settled. Nothing else is kept of a job but its id and data. */
export const redisWorkQueueCapabilities: ReadonlySet<Capability> = new Set(['dedupe', 'inspect', 'pipeline', 'listen'])
