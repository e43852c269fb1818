import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'

import { open, task } from '../index.ts'

const main = join(import.meta.dirname, 'main.ts')
const library = pathToFileURL(join(import.meta.dirname, '../index.ts')).href
const slow = task({ name: 'slow' })

let dir: string
let url: string
const children = new Set<ChildProcess>()

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'jobferry-main-'))
  url = `sqlite:${join(dir, 'app.db')}`
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  rmSync(dir, { recursive: true })
})

function start(...argv: readonly string[]) {
  const child = spawn(process.execPath, argv, { cwd: dir, env: { ...process.env, JOBFERRY_URL: url } })
  children.add(child)
  const exit = once(child, 'exit').then(([code, signal]: unknown[]) => code ?? signal)
  return { child, exit }
}

/** Resolves once the stream has said it. */
async function said(stream: AsyncIterable<unknown>, pattern: RegExp): Promise<void> {
  let all = ''
  for await (const chunk of stream) {
    all += String(chunk)
    if (pattern.test(all)) return
  }
  throw new Error(`It ended without ${pattern}: ${all}`)
}

/** A worker in the middle of one job, whose module would keep the process alive for ever. */
async function working(handler: string, ...options: readonly string[]) {
  const path = join(dir, 'tasks.ts')
  writeFileSync(
    path,
    `import { once } from 'node:events'
     import { task } from '${library}'
     setInterval(() => undefined, 1_000_000)
     export const slow = task({ name: 'slow', handler: async (_, job) => { console.log('in flight'); ${handler} } })`,
  )
  const jobs = await open(url, { logger: false })
  const { id } = await jobs.enqueue(slow)
  const worker = start(main, 'work', 'tasks.ts', ...options)
  await said(worker.child.stdout.iterator({ destroyOnReturn: false }), /in flight/)
  const after = async () => {
    await using _ = jobs
    return await jobs.get(id)
  }
  return { ...worker, after }
}

it('drains at SIGTERM: the job in flight finishes, and the process ends with exit code 0', async () => {
  const { child, exit, after } = await working(
    `await once(process, 'SIGTERM'); await new Promise(setImmediate); return 'sent'`,
  )
  const err = text(child.stderr)
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  expect(await after()).toMatchObject({ state: 'completed', result: 'sent' })
  expect(await err).toMatch(
    /SIGTERM: draining for up to 25s running=1\n[^]*job completed[^]*stopped ended="every run by itself"\n$/,
  )
})

it('stops at once at a second signal, gives the job back, and ends with exit code 1', async () => {
  const { child, exit, after } = await working('await new Promise(() => {})', '--grace', '1h')
  child.kill('SIGTERM')
  await said(child.stderr, /draining/)
  child.kill('SIGINT')
  expect(await exit).toBe(1)
  expect(await after()).toMatchObject({ state: 'pending', attempt: 0 })
})

it.each(['import', 'default'])(
  'works the tasks of a package that is installed where it is called: %s',
  async (condition) => {
    const folder = join(dir, 'node_modules/@acme/tasks')
    mkdirSync(folder, { recursive: true })
    const manifest = { name: '@acme/tasks', type: 'module', exports: { './mail': { [condition]: './mail.js' } } }
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
    writeFileSync(
      join(folder, 'mail.js'),
      `import { task } from '${library}'\nexport const slow = task({ name: 'slow', handler: () => 'done' })`,
    )
    await using jobs = await open(url, { logger: false })
    const { id } = await jobs.enqueue(slow)
    const { child, exit } = start(main, 'work', '@acme/tasks/mail')
    expect(await jobs.wait(id)).toMatchObject({ state: 'completed', result: 'done' })
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
  },
)

it('does not crash when nobody reads its stdout: a look ends, a worker goes on', async () => {
  await (await open(url, { logger: false })).close()
  const watch = start(main, 'stats', '--watch', '10ms', '--json')
  const err = text(watch.child.stderr)
  await once(watch.child.stdout, 'data')
  watch.child.stdout.destroy()
  expect(await watch.exit).toBe(0)
  expect(await err).toBe('')

  const { child, exit, after } = await working(`await once(process, 'SIGTERM')`, '--json')
  child.stdout.destroy()
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  expect(await after()).toMatchObject({ state: 'completed' })
})

it('says on one line that a Node is too old, whatever it is asked', async () => {
  const old = join(dir, 'main.mjs')
  writeFileSync(old, stripTypeScriptTypes(readFileSync(main, 'utf8')))
  const { child, exit } = start(
    '--import',
    `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'22.12.0'}})`,
    old,
    'stats',
  )
  const err = text(child.stderr)
  expect(await exit).toBe(1)
  expect(await err).toBe('jobferry needs Node 22.13 or newer; this is 22.12.0.\n')
})
