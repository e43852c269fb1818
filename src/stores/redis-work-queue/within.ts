/**
 * Resolves with the promise, or after so many milliseconds; for ever is allowed. Not on the runtime's clock: this waits for other programs on a
 * server, which know nothing of it.
 * @throws the signal's reason
 */
export async function within(promise: Promise<void>, ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const timer = ms < longestMs ? setTimeout(resolve, ms) : undefined
  const end = (): void => resolve()
  signal?.addEventListener('abort', end, { once: true })
  await Promise.race([promise, over])
  clearTimeout(timer)
  signal?.removeEventListener('abort', end)
  signal?.throwIfAborted()
}

/** A timer cannot be set for longer. */
const longestMs = 2 ** 31 - 1
