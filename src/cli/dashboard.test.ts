import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'

import { open, task } from '../index.ts'
import { run } from './run.ts'

const token = 'token-of-24-letters-here'
const library = pathToFileURL(join(import.meta.dirname, '../index.ts')).href

let dir: string
let url: string
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'jobferry-cli-'))
  url = `sqlite:${join(dir, 'app.db')}`
  await using jobs = await open(url, { logger: false })
  await jobs.enqueue(task({ name: 'report' }))
})
afterEach(() => rmSync(dir, { recursive: true }))

/** A call under way; what it says is taken a line at a time. */
function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const signals = new EventEmitter()
  const io = { stdin: Readable.from([]), stdout, stderr, env, cwd: dir, signals, exit: () => undefined }
  const code = run(['dashboard', ...argv], io)
  return { code, out: stdout, err: stderr, end: () => signals.emit('SIGINT') }
}

async function line(stream: PassThrough): Promise<string> {
  const [chunk] = await once(stream, 'data')
  return String(chunk)
}

/** The dashboard, serving on a port that was free. */
async function serving(argv: readonly string[], env?: Readonly<Record<string, string>>) {
  const call = start([...argv, '--port', '0', '--json'], env)
  const said: { url: string } = JSON.parse(await line(call.out))
  onTestFinished(async () => {
    call.end()
    expect(await call.code).toBe(0)
  })
  return said.url
}

it('serves the page and the API on 127.0.0.1 and says where, until it is interrupted', async () => {
  const call = start([url, '--port', '0'])
  const said = await line(call.out)
  expect(said).toMatch(/^Dashboard of sqlite:\S+app\.db: http:\/\/127\.0\.0\.1:\d+\/\n$/)
  const at = said.trim().split(' ').at(-1)!
  expect((await fetch(at)).headers.get('content-type')).toContain('text/html')
  expect(await (await fetch(`${at}api/jobs`)).json()).toMatchObject({ jobs: [{ task: 'report' }] })
  expect(await (await fetch(`${at}api/session`)).json()).toMatchObject({ access: 'full', signIn: null })
  const feed = await fetch(`${at}api/events`)
  call.end()
  expect(await call.code).toBe(0)
  expect(await feed.text()).toMatch(/event: end\ndata: \{\}\n\n$/)
  await expect(fetch(at)).rejects.toThrow('fetch failed')
})

it.each([
  [['--host', '0.0.0.0'], 'Expected a token to listen on 0.0.0.0, where others reach it'],
  [['--host', '::'], 'Expected a token'],
  [['--host', '192.0.2.1'], 'Expected a token'],
  [['--host', '127.0.0.1.nip.io'], 'Expected a token'],
  [['--token', 'short'], 'at least 16 characters'],
  [['--url', 'sqlite:other.db'], 'got both'],
  [['--allow-host', 'a/b'], 'Expected `hosts`'],
])('refuses %j as a mistake, and serves nothing', async (argv, message) => {
  const call = start([url, '--port=0', ...argv])
  expect(await line(call.err)).toContain(message)
  expect(await call.code).toBe(2)
})

it('says so when there is no such file, or when the port is taken', async () => {
  const missing = start([`sqlite:${join(dir, 'none.db')}`])
  expect(await line(missing.err)).toContain('There is no file')
  expect(await missing.code).toBe(1)
  const other = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const address = other.address()
  const taken = start([url, '--port', String(typeof address === 'object' ? address?.port : '')])
  expect(await line(taken.err)).toContain('EADDRINUSE')
  expect(await taken.code).toBe(1)
})

it('asks for a token where one is set, and never says it', async () => {
  const at = await serving([url], { JOBFERRY_TOKEN: token })
  const status = async (given: string) =>
    (await fetch(`${at}api/jobs`, { headers: { authorization: `Bearer ${given}` } })).status
  expect(at).not.toContain(token)
  expect([await status(token), await status('another-token-of-28-letters')]).toEqual([200, 401])
})

it('lets nobody change anything with --read-only, whatever the token', async () => {
  const opened = await serving([url, '--read-only'])
  expect(await (await fetch(`${opened}api/session`)).json()).toMatchObject({ access: 'read' })
  const closed = await serving([url, '--read-only'], { JOBFERRY_TOKEN: token })
  expect((await fetch(`${closed}api/jobs`)).status).toBe(401)
  const session = await fetch(`${closed}api/session`, { headers: { authorization: `Bearer ${token}` } })
  expect(await session.json()).toMatchObject({ access: 'read' })
})

it('answers only to the names it was bound with, and to those allowed', async () => {
  const at = new URL(await serving([url, '--allow-host', 'jobs.example.com']))
  const status = async (host: string) => {
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    const { get } = await import('node:http')
    get({ host: '127.0.0.1', port: at.port, path: '/api/jobs', headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    return await promise
  }
  expect(
    await Promise.all([at.host, `localhost:${at.port}`, 'localhost:1', 'jobs.example.com', 'evil.example'].map(status)),
  ).toEqual([200, 200, 421, 200, 421])
})

it('knows the tasks of modules, and checks what is enqueued by hand', async () => {
  writeFileSync(
    join(dir, 'tasks.ts'),
    `import { task } from '${library}'
     const validate = (value) => value === 1 ? { value } : { issues: [{ message: 'Expected 1' }] }
     export const strict = task({ name: 'strict', payload: { '~standard': { version: 1, vendor: 'test', validate } } })`,
  )
  const at = await serving([url, '--module', 'tasks.ts'])
  const enqueue = async (payload: unknown) =>
    (
      await fetch(`${at}api/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-jobferry': '1', origin: at.slice(0, -1) },
        body: JSON.stringify({ task: 'strict', payload }),
      })
    ).status
  expect([await enqueue(1), await enqueue(2)]).toEqual([201, 422])
})
