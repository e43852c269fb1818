import { expect, it } from 'vitest'

import { type PresentWorker, type Spread, spreadBoundsMs } from '../core/presence.ts'
import { doneBy, History, meanOf, p95Of } from './series.ts'

const T = 1_800_000_000_000

/** Lengths of time, counted as workers count them. */
function spread(...lengths: readonly number[]): Spread {
  const places = lengths.map((ms) => spreadBoundsMs.findIndex((bound) => ms <= bound))
  return {
    count: lengths.length,
    sumMs: lengths.reduce((sum, ms) => sum + ms, 0),
    counts: [...spreadBoundsMs, 0].map((_, i) => places.filter((place) => place === i).length),
  }
}

function aWorker(id: string, toldAt: number, completed: number, failed = 0, startedAt = T - 3_600_000): PresentWorker {
  const ends = { completed, failed, retrying: 0, snoozed: 0, cancelled: 0, released: 0, lost: 0 }
  const runs = Array.from({ length: completed + failed }, () => 10)
  const mail = { ends, ran: spread(...runs), waited: spread(...runs.map((ms) => ms * 2)) }
  return {
    id,
    host: 'host',
    pid: 1,
    startedAt,
    version: '1',
    state: 'working',
    tasks: ['mail'],
    concurrency: 1,
    running: 0,
    runs: [],
    tallies: { mail },
    toldAt,
    until: toldAt + 15_000,
  }
}

function after(...samples: readonly (readonly [at: number, workers: readonly PresentWorker[] | undefined])[]) {
  const history = new History()
  for (const [at, workers] of samples) history.add({ at, pending: 0, running: 0, workers })
  return history.toSeries().points.at(-1)
}

const unknown = { completed: null, failed: null, waitMs: null, waitP95Ms: null, runMs: null, runP95Ms: null }

it('knows no rate from one look, nor where workers tell nothing', () => {
  expect(after([T, [aWorker('a', T, 50)]])).toMatchObject(unknown)
  expect(after([T, undefined], [T + 5_000, undefined])).toMatchObject(unknown)
})

it('is still where no worker is', () => {
  expect(after([T, []])).toMatchObject({ completed: 0, failed: 0, waitMs: null, runMs: null })
})

it('divides what a worker did by the time between its own tellings, whenever somebody looked', () => {
  const looks = [
    [T, [aWorker('a', T - 4_900, 100)]],
    [T + 5_100, [aWorker('a', T + 5_100, 150, 10)]],
  ] as const
  expect(after(...looks)).toMatchObject({ completed: 5, failed: 1, waitMs: 20, runMs: 10 })
  const [, [at, workers]] = looks
  expect(after(...looks, [at + 5_000, workers])).toMatchObject({ completed: 5, failed: 1 })
})

it('counts a worker that has started since as a whole, and one that was met by chance not at all', () => {
  const first = [T, [aWorker('a', T, 0)]] as const
  const a = aWorker('a', T + 5_000, 0)
  expect(after(first, [T + 6_000, [a, aWorker('new', T + 5_000, 40, 0, T + 1_000)]])).toMatchObject({ completed: 10 })
  expect(after(first, [T + 6_000, [a, aWorker('old', T + 5_000, 1_000)]])).toMatchObject({ completed: 0 })
})

it('takes the leaving of a worker for no work undone', () => {
  const first = [T, [aWorker('a', T, 10), aWorker('b', T, 1_000)]] as const
  expect(after(first, [T + 5_000, [aWorker('a', T + 5_000, 20)]])).toMatchObject({ completed: 2 })
  expect(after(first, [T + 5_000, []])).toMatchObject({ completed: 0 })
})

it('keeps 240 points', () => {
  const history = new History()
  for (let n = 0; n < 300; n++) history.add({ at: T + n * 5_000, pending: n, running: 0, workers: [] })
  const { points } = history.toSeries()
  expect([points.length, points[0]?.pending, points.at(-1)?.pending]).toEqual([240, 60, 299])
})

it('is due for a look every five seconds, and after a clock was put back', () => {
  const history = new History()
  expect(history.due(T)).toBe(true)
  history.add({ at: T, pending: 0, running: 0, workers: [] })
  expect([T, T + 4_999, T + 5_000, T - 1].map((at) => history.due(at))).toEqual([false, false, true, true])
})

it.each([
  [[], null, null],
  [[10], 10, 19.25],
  [Array.from({ length: 100 }, () => 3), 3, 4.75],
  [[...Array.from({ length: 95 }, () => 3), ...Array.from({ length: 5 }, () => 300)], 17.85, 5],
  [[10_000_000], 10_000_000, 3_600_000],
])('says of %j the mean, and what 95 of 100 stay below as far as the bounds tell', (lengths, mean, p95) => {
  expect([meanOf(spread(...lengths)), p95Of(spread(...lengths))]).toEqual([mean, p95])
})

it('adds up the tasks of a worker', () => {
  const { tallies } = aWorker('a', T, 3, 1)
  expect(doneBy([...Object.values(tallies), ...Object.values(tallies)])).toMatchObject({
    completed: 6,
    failed: 2,
    ran: { count: 8, sumMs: 80 },
  })
})
