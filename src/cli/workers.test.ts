import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'

import { open, task } from '../index.ts'
import { run } from './run.ts'

const mail = task({ name: 'mail', queue: 'email' })

it('workers shows those of other processes, for people with their runs and as JSON, and says when there is none', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'jobferry-cli-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const url = `sqlite:${join(dir, 'app.db')}`
  await using jobs = await open(url, { logger: false })
  expect(await cli('workers', '--url', url)).toEqual({ code: 0, out: '', err: 'No worker is alive.\n' })

  const told = new EventEmitter()
  const release = Promise.withResolvers<void>()
  jobs.work([mail.handle(() => (told.emit('runs'), release.promise))], { queues: ['email'], presence: '100ms' })
  const runs = once(told, 'runs')
  const { id } = await jobs.enqueue(mail)
  await runs
  for (let tells = false; !tells; await new Promise(setImmediate)) tells = (await jobs.workers())[0]?.runs[0]?.id === id

  const shown = await cli('workers', '--url', url, '--runs')
  expect(shown.out).toMatch(/^ID +WHERE +STATE +RUNS/)
  expect(shown.out).toContain(`:${process.pid}`)
  expect(shown.out).toMatch(new RegExp(`^  ${id} +mail #1 .* email`, 'm'))
  const { out } = await cli('workers', '--url', url, '--json')
  expect(JSON.parse(out)).toMatchObject({ workers: [{ pid: process.pid, queues: ['email'], runs: [{ id }] }] })
  release.resolve()
})

async function cli(...argv: readonly string[]): Promise<{ readonly code: number; out: string; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const said = Promise.all([text(stdout), text(stderr)])
  const io = { stdin: Readable.from([]), stdout, stderr, env: {}, cwd: '.', signals: new EventEmitter() }
  const code = await run(argv, { ...io, exit: () => undefined })
  stdout.end()
  stderr.end()
  const [out, err] = await said
  return { code, out, err }
}
