import type { Changed, Overview } from '../../src/dashboard/shapes.ts'
import { Cell } from './cell.ts'
import { correctClock } from './clock.ts'
import { noteOperation } from './operations.ts'
import { readSessionAgain } from './session.ts'
import { ask, messageOf } from './wire.ts'

/**
 * Whether what is shown is what is. `live`: the server says when something changes · `polled`: its events do not come through, so it is
 * asked every few seconds · `lost`: it does not answer.
 */
export type Connection = 'connecting' | 'live' | 'polled' | 'lost'

export const connection = new Cell<Connection>('connecting')
/** When it was last heard of, by our own clock. */
export const heardAt = new Cell(Date.now())
export const overview = new Cell<Overview | undefined>(undefined)
/** Why the overview could not be read, while there is none at all. */
export const overviewError = new Cell<string | undefined>(undefined)
/** Grows when something else that is shown may have changed. */
export const changes = new Cell(0)

/** Between attempts to listen: soon at first, then in peace. */
const retriesMs = [700, 1_500, 3_000] as const
const pollMs = 5_000
/** A page that nobody sees lets go after this long: a browser has six connections to a server for all its tabs. */
const restMs = 10_000
let source: EventSource | undefined
/** Whether it was ever heard of: then something may have been missed whenever it is heard of anew. */
let known = false
let rest: ReturnType<typeof setTimeout> | undefined
let failedAttempts = 0
let retry: ReturnType<typeof setTimeout> | undefined
let poll: ReturnType<typeof setInterval> | undefined

/** Listens to the server from now on, and goes on trying when it is away. A second call does nothing. */
export function watch(): void {
  if (poll !== undefined) return
  connect()
  poll = setInterval(() => void askInstead(), pollMs)
  document.addEventListener('visibilitychange', restOrWake)
}

/** Stops listening: nobody is signed in. */
export function unwatch(): void {
  letGo()
  clearTimeout(rest)
  clearInterval(poll)
  poll = undefined
  document.removeEventListener('visibilitychange', restOrWake)
  overview.set(undefined)
}

function letGo(): void {
  clearTimeout(retry)
  source?.close()
  source = undefined
  connection.set('connecting')
}

function restOrWake(): void {
  clearTimeout(rest)
  if (document.visibilityState === 'hidden') rest = setTimeout(letGo, restMs)
  else if (source === undefined) connect()
}

function connect(): void {
  clearTimeout(retry)
  source?.close()
  const mine = new EventSource('api/events')
  source = mine
  mine.addEventListener('open', heard)
  mine.addEventListener('overview', (event) => {
    heard()
    noteOverview(JSON.parse(event.data))
  })
  mine.addEventListener('change', (event) => {
    heard()
    const { at }: Changed = JSON.parse(event.data)
    correctClock(at)
    changes.set(changes.value + 1)
  })
  mine.addEventListener('operation', (event) => {
    heard()
    noteOperation(JSON.parse(event.data))
  })
  mine.addEventListener('end', () => lose(mine))
  mine.addEventListener('error', () => lose(mine))
}

function heard(): void {
  const anew = known && !live()
  known = true
  failedAttempts = 0
  heardAt.set(Date.now())
  connection.set('live')
  if (anew) changes.set(changes.value + 1) // whatever was missed meanwhile
}

/** The browser's own attempts end when a proxy answers in our stead, so ours do the trying. */
function lose(mine: EventSource): void {
  if (mine !== source) return
  known = true
  mine.close()
  if (connection.value !== 'polled') connection.set('lost')
  clearTimeout(retry)
  const waitMs = retriesMs[Math.min(failedAttempts++, retriesMs.length - 1)]
  retry = setTimeout(() => {
    void readSessionAgain() // it may have ended meanwhile
    connect()
  }, waitMs)
  void askInstead()
}

/** While no events come through, asks. */
async function askInstead(): Promise<void> {
  if (live() || document.visibilityState !== 'visible') return
  try {
    noteOverview(await ask<Overview>('api/overview'))
    heardAt.set(Date.now())
    if (!live()) connection.set('polled')
    changes.set(changes.value + 1)
  } catch (error) {
    if (connection.value === 'polled') connection.set('lost')
    if (overview.value === undefined) overviewError.set(messageOf(error))
  }
}

function live(): boolean {
  return connection.value === 'live'
}

function noteOverview(value: Overview): void {
  correctClock(value.at)
  overviewError.set(undefined)
  overview.set(value)
}
