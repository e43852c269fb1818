import { task } from '../../src/index.ts' // in your own program: from 'jobferry'

/** A task without its handler: all that is needed to enqueue. The worker gives it one. */
export const hashFile = task<{ path: string }>({
  name: 'hash-file',
  queue: 'files',
  maxAttempts: 10,
  backoff: '100ms',
})
