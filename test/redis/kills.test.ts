import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { expect, it, onTestFinished } from 'vitest'

import { open, task } from '../../src/index.ts'
import { newPrefix, newRedis } from '../servers/kit.ts'

const jobCount = 1_500
const kills = 8
/** What a worker of `child.ts` may hold: its runs, and what it has claimed ahead, some of which may have ended and not been stored yet. */
const mostHeld = 110

it.each([
  // Nothing that was answered, or done without an answer, is done again: leases outlast the server's absence.
  { killed: 'the server', serverEvery: 1, leaseMs: 20_000, mostAgain: 0 },
  { killed: 'both', serverEvery: 3, leaseMs: 1_000, mostAgain: kills * mostHeld },
])(
  'runs every job that was acknowledged, amid kills of $killed, and few of them again',
  { timeout: 120_000 },
  async ({ serverEvery, leaseMs, mostAgain }) => {
    const redis = await newRedis({ append: 'always' })
    const namespace = newPrefix()
    const jobs = await open(redis.url, { namespace, logger: false, timeout: '20s' })
    onTestFinished(() => jobs.close())
    const note = task<number>({ name: 'note', maxAttempts: 100 })

    const runs = new Map<number, number>()
    const workers = new Set<ChildProcess>()
    onTestFinished(() => {
      for (const worker of workers) worker.kill('SIGKILL')
    })
    const hire = (): void => {
      const worker = spawn(
        process.execPath,
        [join(import.meta.dirname, 'child.ts'), redis.url, namespace, String(leaseMs)],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      workers.add(worker)
      createInterface(worker.stdout).on('line', (line) => {
        if (line !== 'ready') runs.set(Number(line), (runs.get(Number(line)) ?? 0) + 1)
      })
    }
    hire()
    hire()

    const acknowledged: number[] = []
    const producing = (async () => {
      for (let n = 0; n < jobCount; n += 10) {
        const numbers = Array.from({ length: 10 }, (_, i) => n + i)
        await Promise.all(numbers.map(async (one) => await jobs.enqueue(note, one)))
        acknowledged.push(...numbers)
      }
    })()
    for (let kill = 1; kill <= kills; kill++) {
      await expect.poll(() => runs.size, { timeout: 60_000, interval: 10 }).toBeGreaterThan(kill * 100)
      if (kill % serverEvery === 0) {
        await redis.kill()
        await redis.start()
      } else {
        const [first] = workers
        first?.kill('SIGKILL')
        if (first !== undefined) workers.delete(first)
        hire()
      }
    }
    await producing
    expect(acknowledged).toHaveLength(jobCount)
    await expect
      .poll(async () => (await jobs.stats())[0]?.counts, { timeout: 60_000 })
      .toMatchObject({ pending: 0, running: 0 })
    expect(acknowledged.filter((n) => !runs.has(n))).toEqual([])
    const again = [...runs.values()].reduce((sum, count) => sum + count - 1, 0)
    expect(again).toBeLessThanOrEqual(mostAgain)
    expect((await jobs.stats())[0]?.counts).toMatchObject({ completed: jobCount, failed: 0 })
  },
)
