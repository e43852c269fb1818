import type { Flavour } from './format.ts'

/** A unique key as the table has it. Scoped ones begin with the queue's length in bytes, so that no two queues can share one. */
export function toColumn(key: string, queue: string, flavour: Flavour): string {
  return flavour === 'raw' ? key : `${scopeOf(queue)}${key}`
}

/** The key as it was given. In a scoped table, rows from before it was one have raw keys; they stay as they are. */
export function fromColumn(column: string, queue: string, flavour: Flavour): string {
  const scope = scopeOf(queue)
  return flavour === 'scoped' && column.startsWith(scope) ? column.slice(scope.length) : column
}

function scopeOf(queue: string): string {
  return `${Buffer.byteLength(queue)}:${queue}:`
}
