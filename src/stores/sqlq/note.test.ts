import { describe, expect, it } from 'vitest'

import type { Failure } from '../../core/job.ts'
import { toFailure, toNote } from './note.ts'

const at = 1_750_000_000_000

describe('a failure', () => {
  it.each<Failure>([
    { attempt: 1, at, name: 'Error', message: 'boom' },
    { attempt: 12, at, name: 'TypeError', message: 'two\nlines: and more' },
    { attempt: 2, at, name: 'string', message: '' },
    { attempt: 3, at, name: 'Error', message: 'boom', stack: 'Error: boom\n    at run (job.ts:1:2)\n    at main' },
  ])('comes back from its line as it was: %j', (failure) => {
    const { level, message } = toNote(failure, true)
    expect(level).toBe('error')
    expect(toFailure(message, at, undefined)).toEqual(failure)
  })

  it('has its name and message once in its line, wherever its stack has them', () => {
    const stack = 'Error: boom\n    at run (job.ts:1:2)'
    expect(toNote({ attempt: 3, at, name: 'Error', message: 'boom', stack }, true).message).toBe(
      `attempt 3 failed: ${stack}`,
    )
  })

  it('of a worker that died is noted in the words of sqlq, and read from them, as the attempt after the one before', () => {
    const failure = { attempt: 1, at, name: 'LeaseExpiredError', message: 'The lease ran out' }
    const note = toNote(failure, false)
    expect(note).toEqual({ level: 'warn', message: 'job has timed out and is now marked as errored', at })
    expect(toFailure(note.message, at, { ...failure, attempt: 4 })).toMatchObject({
      attempt: 5,
      name: 'LeaseExpiredError',
    })
  })

  it('keeps nothing that PostgreSQL does not', () => {
    expect(toNote({ attempt: 1, at, name: 'Error', message: 'a\0b\ud800' }, true).message).toBe(
      'attempt 1 failed: Error: a\ufffdb\ufffd',
    )
  })
})

it('takes other lines for what they are', () => {
  for (const line of ['', 'attempt failed: x: y', 'all 3 attempts failed', 'attempt 1 failed'])
    expect(toFailure(line, at, undefined)).toBeUndefined()
})
