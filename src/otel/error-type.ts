/** A word of low cardinality: the error's name, never its message. */
export function errorType(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
