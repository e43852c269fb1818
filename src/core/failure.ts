import { toText } from './expect.ts'
import type { Failure, Instant } from './job.ts'

/** How much of a failure is kept, in characters; and how many failures of a job, the latest. */
export const failureBounds = { name: 100, message: 2_000, stack: 8_000, count: 20 } as const

/** Any thrown value, even `null`, as a bounded note. Causes are appended to the stack. Never throws itself. */
export function toFailure(thrown: unknown, attempt: number, at: Instant): Failure {
  const { name, message, stack } = describe(thrown)
  const note = { attempt, at, name: cut(name, failureBounds.name), message: cut(message, failureBounds.message) }
  return stack === undefined ? note : { ...note, stack: cut(stack, failureBounds.stack) }
}

/** The notes with one more, oldest first, without those beyond the bound. */
export function noted(failures: readonly Failure[], failure: Failure): readonly Failure[] {
  return [...failures, failure].slice(-failureBounds.count)
}

function describe(thrown: unknown): { name: string; message: string; stack?: string } {
  try {
    if (thrown instanceof Error) {
      const stack = withCauses(thrown)
      const said = { name: toText(thrown.name), message: toText(thrown.message) } // either may be anything
      return stack === undefined ? said : { ...said, stack }
    }
    if (typeof thrown === 'object' && thrown !== null)
      return { name: 'Object', message: JSON.stringify(thrown) ?? 'an object' }
    return { name: typeof thrown, message: String(thrown) }
  } catch {
    return { name: 'Unknown', message: 'The thrown value could not be read.' } // a getter or toJSON that throws
  }
}

function withCauses(error: Error): string | undefined {
  const stacks: string[] = []
  let next: unknown = error
  for (let depth = 0; next instanceof Error && depth < 5; depth++) {
    if (typeof next.stack === 'string') stacks.push(next.stack)
    next = next.cause
  }
  return stacks.length === 0 ? undefined : stacks.join('\nCaused by: ')
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`
}
