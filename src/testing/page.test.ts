import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'

import { expect, it, onTestFinished } from 'vitest'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/learn/testing.md'), 'utf8')

/** The examples of the page, one after the other, as one program on the sources. */
function writeProgram(): string {
  const folder = join(root, '.tmp')
  mkdirSync(folder, { recursive: true })
  const dir = mkdtempSync(join(folder, 'testing-page-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const src = relative(dir, join(root, 'src'))
  const program = [...page.matchAll(/```ts\n(.*?)```/gs)]
    .map(([, code]) => code ?? '')
    .join('\n')
    .replaceAll("'jobferry'", `'${src}/index.ts'`)
    .replaceAll("'jobferry/testing'", `'${src}/testing/index.ts'`)
  writeFileSync(join(dir, 'page.ts'), program)
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include: ['page.ts'] }))
  return dir
}

it('shows only examples that pass', async () => {
  const dir = writeProgram()
  const { stdout } = await run(process.execPath, ['--test-reporter=tap', join(dir, 'page.ts')])
  const tests = page.match(/^test\(/gm)?.length ?? 0
  expect(stdout).toContain(`# pass ${tests}`)
  expect(stdout).toContain('# fail 0')
})

it('shows only examples that are type-checked', async () => {
  const dir = writeProgram()
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await expect(run(process.execPath, [tsc, '-p', dir])).resolves.toMatchObject({ stdout: '' })
})

it('shows the message as it is', async () => {
  const { expectEnqueued, openTesting } = await import('./index.ts')
  const { task } = await import('../index.ts')
  await using testing = await openTesting()
  const mail = task<{ to: string; body: string }>({ name: 'send-email', queue: 'notify.email' })
  const to = 'ada@example.com'
  await testing.jobs.enqueue(mail, { to, body: 'Welcome' })
  await testing.jobs.enqueue(mail, { to, body: 'How is it going?' }, { delay: '3d', unique: `follow-up:${to}` })
  const shown = /```\n(Expected.*?)\n```/s.exec(page)?.[1]
  await expect(expectEnqueued(testing.jobs, mail, { payload: { to: 'bob@example.com' } })).rejects.toMatchObject({
    message: shown,
  })
})
