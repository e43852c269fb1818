import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, it, onTestFinished } from 'vitest'

import { gone, running } from './running.ts'

describe('a runner that is killed', () => {
  it('leaves no server behind', async () => {
    const TMPDIR = mkdtempSync(join(tmpdir(), 'jobferry-')) // for its files, which nobody else removes
    chmodSync(TMPDIR, 0o755) // PostgreSQL must get through
    const runner = fork(join(import.meta.dirname, 'child.ts'), { env: { ...process.env, TMPDIR } })
    onTestFinished(() => {
      runner.kill('SIGKILL')
      rmSync(TMPDIR, { recursive: true, force: true })
    })
    const [servers] = (await once(runner, 'message')) as [readonly number[]]
    expect(servers.every(running)).toBe(true)
    runner.kill('SIGKILL')
    await gone(servers, { withinMs: 20_000 })
  })
})
