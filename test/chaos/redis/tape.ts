import type { Job, State } from '../../../src/core/job.ts'
import { toJob } from '../../../src/stores/redis/row.ts'
import { speedFor } from '../clock.ts'
import type { Call } from '../failpoints.ts'
import type { Part } from '../plan.ts'
import type { Change } from '../tape.ts'

/** Below it everything of ours lies in Redis. */
export const namespace = 'chaos'
const ns = `{${namespace}}:`
export const tapeKey = `${ns}the-tape`

export const stateNumbers: Readonly<Record<State, number>> = {
  pending: 0,
  running: 1,
  completed: 2,
  failed: 3,
  cancelled: 4,
}

/**
 * The script, but with every command by which it changes rows, or who holds them, noted in the same moment: nobody can come between. Redis
 * has no triggers.
 */
export function taped(text: string, { who, epoch, plan }: Part, call: Call): string {
  return `
local real, group = redis, nil
local noting = { set = 1, setnx = 1, mset = 1, msetnx = 1, del = 1, unlink = 1, hset = 1, hdel = 1 }
local function noted(how, name, ...)
  local answer = real[how](name, ...)
  if not noting[name] or ((name == 'msetnx' or name == 'setnx') and answer == 0) then return answer end
  group = group or real.call('incr', '${tapeKey}:groups')
  local time = real.call('time')
  local now = ${epoch} + math.floor((time[1] * 1000 + math.floor(time[2] / 1000) - ${epoch}) * ${speedFor(plan.leaseMs)})
  real.call('rpush', '${tapeKey}', cjson.encode({ group, string.format('%.0f', now) .. ' ${who} ${call}', name, ... }))
  return answer
end
local redis = setmetatable({
  call = function(...) return noted('call', ...) end,
  pcall = function(...) return noted('pcall', ...) end,
}, { __index = real })
${text}`
}

/** One command as the tape has it: which script call it belongs to, who made it, and its words. */
type Noted = readonly [group: number, witness: string, name: string, ...args: string[]]

/** What Redis knows of one job: its row, and its line in the hash of those that run. */
interface Place {
  row: string
  held: string
}

/** Plays the commands again, and tells what each script call made of each job. A claim counts as a step of its own, after what was settled with it. */
export function* replayed(lines: Iterable<string>): Generator<Change> {
  const places = new Map<string, Place>()
  const before = new Map<string, Job | undefined>()
  let [seq, group, witness] = [0, 0, '']
  const place = (id: string): Place => {
    const known = places.get(id) ?? { row: '', held: '' }
    if (!before.has(id)) before.set(id, jobOf(id, known))
    places.set(id, known)
    return known
  }
  const step = function* (): Generator<Change> {
    for (const [id, was] of before) {
      const is = jobOf(id, places.get(id))
      if (is === undefined) places.delete(id)
      const change = toChange(id, was, is)
      if (change !== undefined) yield { seq: seq++, witness, ...change }
    }
    before.clear()
  }
  for (const line of lines) {
    const [nextGroup, nextWitness, name, ...args] = JSON.parse(line) as Noted
    if (nextGroup !== group || (name === 'hset' && args[0] === `${ns}held`)) yield* step()
    ;[group, witness] = [nextGroup, nextWitness]
    for (const [id, part] of touched(name, args)) Object.assign(place(id), part)
  }
  yield* step()
}

function* touched(name: string, args: readonly string[]): Generator<readonly [string, Partial<Place>]> {
  const [key, ...rest] = args
  if (name === 'hset' && key === `${ns}held`)
    for (let i = 0; i < rest.length; i += 2) yield [rest[i] ?? '', { held: rest[i + 1] ?? '' }]
  else if (name === 'hdel' && key === `${ns}held`) for (const id of rest) yield [id, { held: '' }]
  else if (name === 'set' || name === 'setnx' || name === 'mset' || name === 'msetnx') {
    for (let i = 0; i < args.length; i += 2) {
      const id = idOf(args[i])
      if (id !== undefined) yield [id, { row: args[i + 1] ?? '' }]
    }
  } else if (name === 'del' || name === 'unlink') {
    for (const gone of args) {
      const id = idOf(gone)
      if (id !== undefined) yield [id, { row: '' }]
    }
  }
}

function idOf(key: string | undefined): string | undefined {
  return key?.startsWith(`${ns}job:`) === true ? key.slice(`${ns}job:`.length) : undefined
}

function jobOf(id: string, place: Place | undefined): Job | undefined {
  return place === undefined || place.row === '' ? undefined : toJob(id, place.row, place.held)
}

function toChange(id: string, was: Job | undefined, is: Job | undefined): Omit<Change, 'seq' | 'witness'> | undefined {
  const job = is ?? was
  if (job === undefined || (was !== undefined && is !== undefined && was.rev === is.rev)) return undefined
  const failure = is !== undefined && is.failures.length !== was?.failures.length ? is.failures.at(-1) : undefined
  return {
    job: id,
    wasState: was === undefined ? null : stateNumbers[was.state],
    state: is === undefined ? null : stateNumbers[is.state],
    wasAttempt: was?.attempt ?? null,
    attempt: is?.attempt ?? null,
    maxAttempts: job.maxAttempts,
    wasRev: was?.rev ?? null,
    rev: is?.rev ?? null,
    wasLease: was?.lease ?? null,
    lease: is?.lease ?? null,
    wasUntil: was?.leaseUntil ?? null,
    until: is?.leaseUntil ?? null,
    runAt: job.runAt,
    concurrencyKey: job.concurrencyKey ?? null,
    held: is?.unique?.held === true ? `${is.queue} ${is.unique.key}` : null,
    cancel: job.cancel ?? null,
    failure: failure?.name ?? null,
    payload: was === undefined && typeof is?.payload === 'string' ? is.payload : null,
  }
}
