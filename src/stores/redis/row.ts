import type { Failure, Instant, Job, JobPolicy, Payload, State, Unique } from '../../core/job.ts'
import { claimed } from '../../core/lifecycle.ts'
import type { PresentWorker } from '../../core/presence.ts'
import type { LogLevel, LogLine, StoredLogLine } from '../../store.ts'

/**
 * How a job is written down: one text, whose first lines the scripts read too (`scripts/rows.ts`), and whose rest is ours alone. The only
 * place where Redis' values become our types: hence the only `as`.
 *
 *     seq (16, put before it by the scripts) rev (8 hex digits) cancel (0 1) state (p r c f x) until (c s w -) held (0 1)
 *     runAt · createdAt · forgetAt · end of the window · lane · concurrency key · unique key · parent, a line each
 *     attempt maxAttempts startedAt finishedAt
 *     the seldom fields as JSON
 *     payload: j and its text, or b and its bytes in base64
 *
 * A claim writes none of it: the text stays that of the waiting job, and a line in the hash `held` says what the claim has made of it:
 * rev, cancel, lease · leaseUntil · startedAt.
 */
export function toRow(job: Job): string {
  const { unique } = job
  return `${toRev(job.rev)}${job.cancel === undefined ? '0' : '1'}${stateLetters[job.state]}${kindOf(unique)}${unique?.held === true ? '1' : '0'}
${job.runAt}
${job.createdAt}
${job.forgetAt ?? ''}
${typeof unique?.until === 'number' ? unique.until : ''}
${toLane(job)}
${toOptional(job.concurrencyKey)}
${toOptional(unique?.key)}
${toOptional(job.parent)}
${job.attempt} ${job.maxAttempts} ${job.startedAt ?? ''} ${job.finishedAt ?? ''}
${toSeldom(job)}
${toPayloadText(job.payload)}`
}

/** The line in `held` of a running job, empty for any other. */
export function toHeld(job: Job): string {
  if (job.lease === undefined) return ''
  return `${toRev(job.rev)}${job.cancel === undefined ? '0' : '1'}${escape(job.lease)}\n${job.leaseUntil}\n${job.startedAt ?? ''}`
}

/** A queue, a task and a priority, in one text: colons part them and are escaped within. */
export function toLane({ queue, task, priority }: Pick<Job, 'queue' | 'task' | 'priority'>): string {
  return `${escape(queue)}:${escape(task)}:${priority}`
}

export function fromLane(text: string): Pick<Job, 'queue' | 'task' | 'priority'> {
  const known = lanes.get(text)
  if (known !== undefined) return known
  const [queue = '', task = '', priority = ''] = text.split(':')
  const lane = { queue: unescape(queue), task: unescape(task), priority: Number(priority) }
  if (lanes.size >= mostLanes) lanes.clear()
  lanes.set(text, lane)
  return lane
}

/** The job that a row and, while it runs, its line in `held` come to. */
export function toJob(id: string, row: string, held: string): Job {
  const job = fromRow(id, row)
  if (held === '') return job
  const [head = '', leaseUntil = '', startedAt = ''] = held.split('\n')
  const lease = unescape(head.slice(9))
  const until = Number(leaseUntil)
  const running =
    job.state === 'pending' ? claimed(job, lease, until, Number(startedAt)) : { ...job, lease, leaseUntil: until }
  return { ...running, rev: fromRev(head) }
}

/** The job as it is written down, without regard to who holds it. By `indexOf`, not by `split`: this runs for every job. */
export function fromRow(id: string, row: string): Job {
  let at = headerLength + 1
  const line = (): string => {
    const end = row.indexOf('\n', at)
    const text = row.slice(at, end)
    at = end + 1
    return text
  }
  const runAt = Number(line())
  const createdAt = Number(line())
  const forgetAt = toOptionalNumber(line())
  const windowEnd = line()
  const { queue, task, priority } = fromLane(line())
  const concurrencyKey = fromOptional(line())
  const uniqueKey = fromOptional(line())
  const parent = fromOptional(line())
  const numbers = line().split(' ')
  const seldom = line()
  const more: Seldom = seldom === '' ? nothingSeldom : (JSON.parse(seldom) as Seldom)
  return {
    id,
    task,
    queue,
    state: statesByLetter[row[25] ?? ''] as State,
    priority,
    runAt,
    payload: fromPayloadText(row, at),
    attempt: Number(numbers[0]),
    maxAttempts: Number(numbers[1]),
    rev: fromRev(row.slice(16)),
    lease: undefined,
    leaseUntil: undefined,
    createdAt,
    startedAt: toOptionalNumber(numbers[2] ?? ''),
    finishedAt: toOptionalNumber(numbers[3] ?? ''),
    forgetAt,
    unique: uniqueKey === undefined ? undefined : fromUnique(uniqueKey, row[26] ?? '', windowEnd, row[27] === '1'),
    concurrencyKey,
    cancel: more.cancel,
    failures: more.failures ?? none,
    result: more.result,
    parent,
    policy: more.policy,
  }
}

/** When it was added, among all: what the scripts have put before the row. */
export function toTurn(row: string): string {
  return row.slice(0, 16)
}

/** A revision as the scripts compare it: eight hex digits. */
export function toRev(rev: number): string {
  return rev.toString(16).padStart(8, '0')
}

/** Absent is empty; present begins with `=`, so that an empty key differs from none. */
export function toOptional(text: string | undefined): string {
  return text === undefined ? '' : `=${escape(text)}`
}

/** The form a name has inside keys and rows: without the colons and line ends that part them. */
export function escape(text: string): string {
  return special.test(text) ? text.replaceAll(specials, (letter) => escapes[letter] ?? letter) : text
}

export function unescape(text: string): string {
  return text.includes('\\') ? text.replaceAll(/\\(.)/g, (_, letter: string) => unescapes[letter] ?? letter) : text
}

export function toLogText({ attempt, at, level, message, data }: LogLine): string {
  return JSON.stringify([attempt, at, level, message, data])
}

export function toLogLine(jobId: string, seq: string, text: string): StoredLogLine {
  const [attempt, at, level, message, data] = JSON.parse(text) as [number, Instant, LogLevel, string, string | null]
  return { jobId, attempt, at, level, message, data: data ?? undefined, seq: Number.parseInt(seq, 10) }
}

export function toPresentWorker(until: string, text: string): PresentWorker {
  return { ...(JSON.parse(text) as PresentWorker), until: Number(until) }
}

/** An answer that is known to be a list. */
export function toList(reply: unknown): readonly unknown[] {
  return reply as readonly unknown[]
}

/** An answer that is known to be an object or a map. */
export function toFields(reply: unknown): ReadonlyMap<string, unknown> {
  return reply instanceof Map ? (reply as Map<string, unknown>) : new Map(Object.entries(reply ?? {}))
}

/** An answer that is known to be text, or a number to be taken as one; nothing is empty text. */
export function toText(reply: unknown): string {
  return typeof reply === 'string' ? reply : typeof reply === 'number' ? String(reply) : ''
}

/** Empty text is no number. */
export function toOptionalNumber(text: string): number | undefined {
  return text === '' ? undefined : Number(text)
}

/** Where the first line ends: 16 + 8 + 4 characters. */
const headerLength = 28

/** Lanes are few; a store with more than this many parses them anew now and then. */
const mostLanes = 10_000
const lanes = new Map<string, Pick<Job, 'queue' | 'task' | 'priority'>>()

const none: readonly Failure[] = []

interface Seldom {
  readonly cancel?: string
  readonly failures?: readonly Failure[]
  readonly result?: string
  readonly policy?: JobPolicy
}

const nothingSeldom: Seldom = {}

export const stateLetters: Readonly<Record<State, string>> = {
  pending: 'p',
  running: 'r',
  completed: 'c',
  failed: 'f',
  cancelled: 'x',
}
const statesByLetter: Readonly<Record<string, State>> = {
  p: 'pending',
  r: 'running',
  c: 'completed',
  f: 'failed',
  x: 'cancelled',
}

const special = /[\\:\n]/
const specials = /[\\:\n]/g
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', ':': '\\c', '\n': '\\n' }
const unescapes: Readonly<Record<string, string>> = { '\\': '\\', c: ':', n: '\n' }

function fromRev(head: string): number {
  return Number.parseInt(head.slice(0, 8), 16)
}

function fromOptional(text: string): string | undefined {
  return text === '' ? undefined : unescape(text.slice(1))
}

function kindOf(unique: Unique | undefined): string {
  if (unique === undefined) return '-'
  return unique.until === 'claimed' ? 'c' : unique.until === 'settled' ? 's' : 'w'
}

function fromUnique(key: string, kind: string, windowEnd: string, held: boolean): Unique {
  return { key, until: kind === 'c' ? 'claimed' : kind === 's' ? 'settled' : Number(windowEnd), held }
}

function toSeldom({ cancel, failures, result, policy }: Job): string {
  if (cancel === undefined && failures.length === 0 && result === undefined && policy === undefined) return ''
  return JSON.stringify({ cancel, failures: failures.length === 0 ? undefined : failures, result, policy })
}

function toPayloadText(payload: Payload | undefined): string {
  if (payload === undefined) return ''
  if (typeof payload === 'string') return `j${payload}`
  return `b${Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('base64')}`
}

function fromPayloadText(row: string, at: number): Payload | undefined {
  if (at >= row.length) return undefined
  const text = row.slice(at + 1)
  return row[at] === 'j' ? text : new Uint8Array(Buffer.from(text, 'base64'))
}
