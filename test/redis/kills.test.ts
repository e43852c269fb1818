import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { expect, it, onTestFinished } from 'vitest'

import { open, task } from '../../src/index.ts'
import { newPrefix, newRedis } from '../servers/kit.ts'

const jobCount = 1_500

it(
  'runs every job that was acknowledged, whoever is killed meanwhile: workers, and the server',
  { timeout: 120_000 },
  async () => {
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
      const worker = spawn(process.execPath, [join(import.meta.dirname, 'child.ts'), redis.url, namespace], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
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
    for (let kills = 1; kills <= 8; kills++) {
      await expect.poll(() => runs.size, { timeout: 60_000, interval: 10 }).toBeGreaterThan(kills * 100)
      if (kills % 3 === 0) {
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
    // Only what was under way at a kill may run twice: at most ten of a worker, of both when it was the server.
    const again = [...runs.values()].reduce((sum, count) => sum + count - 1, 0)
    expect(again).toBeLessThanOrEqual(8 * 20)
    expect((await jobs.stats())[0]?.counts).toMatchObject({ completed: jobCount, failed: 0 })
  },
)
