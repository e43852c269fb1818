import type { WorkOptions } from '../worker.ts'

/** A worker that does nothing of itself while a test lets time pass: no polling, no renewing, no upkeep, no word of its own. Bells and due jobs wake it. */
export const unhurried: WorkOptions = { poll: '52w', lease: '52w', upkeep: false, presence: false }
