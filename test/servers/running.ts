import { readFileSync } from 'node:fs'

import { until } from './until.ts'

/** Whether a process runs. One that has ended and whose parent has not asked for its end yet does not: a signal to it would still succeed. */
export function running(pid: number): boolean {
  const state = status(pid)?.state
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** The processes that a process has started and that still run. */
export function childrenOf(pid: number): readonly number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  return (read(path) ?? '').split(' ').filter(Boolean).map(Number)
}

/** Resolves when none of the processes runs any more. @throws Error after `withinMs`, by default 60,000 */
export async function gone(pids: readonly number[], { withinMs = 60_000 } = {}): Promise<void> {
  await until(`${pids.join(', ')} have ended`, () => (pids.some(running) ? undefined : true), { withinMs })
}

function status(pid: number): { readonly state: string } | undefined {
  // The name of the program stands in parentheses, and may itself contain some.
  const state = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.[0]
  return state === undefined ? undefined : { state }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // it has ended
  }
}
