import { expect, it } from 'vitest'

import { type Candidate, choose } from './choose.ts'

function some(...all: readonly (readonly [queue: string, task: string, room?: number])[]): readonly Candidate[] {
  return all.map(([queue, task, room], n) => ({ id: String(n), queue, task, keepalive: '0', room }))
}

function ids(chosen: readonly Candidate[]): string {
  return chosen.map(({ id }) => id).join('')
}

it('takes the first, in order, up to the limit', () => {
  expect(ids(choose(some(['q', 'a'], ['q', 'b'], ['r', 'a']), 2, undefined))).toBe('01')
})

it('takes no more of a queue than it has room for, nor of a task than may be taken, and goes on behind them', () => {
  const candidates = some(['q', 'a', 2], ['q', 'a', 2], ['q', 'b', 2], ['q', 'b', 2], ['r', 'b'], ['r', 'a'])
  const tasks = new Map([
    ['a', 1],
    ['b', 2],
  ])
  expect(ids(choose(candidates, 9, tasks))).toBe('024')
})

it('counts against a queue’s room only what is taken: what its task forbids leaves the place to the next', () => {
  const candidates = some(['q', 'a', 1], ['q', 'b', 1])
  expect(
    ids(
      choose(
        candidates,
        9,
        new Map([
          ['a', 0],
          ['b', 1],
        ]),
      ),
    ),
  ).toBe('1')
})

it('takes nothing of a task that was not asked for', () => {
  expect(ids(choose(some(['q', 'a']), 9, new Map([['b', 9]])))).toBe('')
})
