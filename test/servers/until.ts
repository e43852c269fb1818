import { setTimeout as wait } from 'node:timers/promises'

/**
 * Asks again every 5 ms until the answer is not undefined, for what can only be asked: a file that another process writes, the state of a
 * process that is not ours. Where there is an event, wait for the event.
 * @throws Error naming `what`, after `withinMs`, by default 60,000
 */
export async function until<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  { withinMs = 60_000 } = {},
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain until ${what}`)
    await wait(5)
  }
}
