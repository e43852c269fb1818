import { madeAt } from '../../core/id.ts'
import type { Instant, Job } from '../../core/job.ts'
import { toId, toPayload } from './bytes.ts'
import { keepsWaiting } from './names.ts'

/* The one place where answers become our types: hence the only `as`. Texts come as bytes. */

/** What an item of a store is as a job: its names, and how its data is read. */
export interface Reading {
  readonly task: string
  readonly queue: string
  readonly payload: 'json' | 'bytes'
}

/** An item as it is on the server. */
export interface Row {
  readonly id: string
  readonly data: Buffer
  /** Empty for none. */
  readonly lease: string
  /** What is left of the lease, in milliseconds. */
  readonly leftMs: number
  readonly place: 'queue' | 'processing' | 'none'
}

/** The lease of a job that nobody has the lease of, and that is not in the queue either: any cleaner may put it back. */
export const abandoned = 'abandoned'

/** As often as you like: nobody counts. */
export const endless: number = Number.MAX_SAFE_INTEGER

/** The time of what is not known. */
export const unknown: Instant = 0

/** The job that an item is. @param now the time of leases that end */
export function toJob({ id, data, lease, leftMs, place }: Row, { task, queue, payload }: Reading, now: Instant): Job {
  const waits = lease === '' ? place === 'queue' : keepsWaiting(lease)
  const createdAt = madeAt(id) ?? unknown
  return {
    id,
    task,
    queue,
    state: waits ? 'pending' : 'running',
    priority: 0,
    runAt: waits && lease !== '' ? now + leftMs : createdAt,
    payload: toPayload(data, payload),
    attempt: waits ? 0 : 1,
    maxAttempts: endless,
    rev: 0,
    lease: waits ? undefined : lease === '' ? abandoned : lease,
    leaseUntil: waits ? undefined : now + leftMs,
    createdAt,
    startedAt: undefined,
    finishedAt: undefined,
    forgetAt: undefined,
    unique: isDrawn(id) ? undefined : { key: id, until: 'settled', held: true },
    concurrencyKey: undefined,
    cancel: undefined,
    failures: [],
    result: undefined,
    parent: undefined,
    policy: undefined,
  }
}

/** Whether an id looks like one that was drawn by a client: an id of ours, or a UUID with its dashes or without. Others were chosen. */
function isDrawn(id: string): boolean {
  return /^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.test(id) || madeAt(id) !== undefined
}

/** `undefined` for an id without data. */
export function toRow(reply: unknown): Row | undefined {
  const [id, data, lease, leftMs, place] = toList(reply)
  if (data === undefined || data === null) return undefined
  return {
    id: toId(id as Buffer),
    data: data as Buffer,
    lease: toText(lease),
    leftMs: Math.max(0, Number(leftMs)),
    place: toText(place) as Row['place'],
  }
}

export function toRows(reply: unknown): readonly Row[] {
  return toList(reply).flatMap((one) => toRow(one) ?? [])
}

export function toList(reply: unknown): readonly unknown[] {
  return reply as readonly unknown[]
}

export function toBytes(reply: unknown): Buffer {
  return reply as Buffer
}

/** Text, from bytes or as it is. */
export function toText(reply: unknown): string {
  return String(reply)
}
