import { EventEmitter } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable, Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type Jobs, open, task } from '../index.ts'
import { helpText, overview } from './help-text.ts'
import type { Io } from './io.ts'
import { run } from './run.ts'
import { verbs } from './verbs.ts'

const library = pathToFileURL(join(import.meta.dirname, '../index.ts')).href
const mail = task<{ to: string } | undefined>({ name: 'mail', queue: 'email', maxAttempts: 1 })
const report = task({ name: 'report' })

let dir: string
let url: string
let opened: Jobs | undefined

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'jobferry-cli-'))
  url = `sqlite:${join(dir, 'app.db')}`
})
afterEach(async () => {
  await opened?.close()
  opened = undefined
  rmSync(dir, { recursive: true })
})

/** With the control characters that a bar and a redrawing use made visible. */
const visible = (text: string) => text.replaceAll('\u001B', '␛').replaceAll('\r', '␍')

/** What is written, and a way to wait for it. */
class Capture extends Writable {
  text = ''
  isTTY = false
  columns = 100
  fails: Error | undefined
  override _write(chunk: Buffer, _: string, done: (error?: Error) => void): void {
    if (this.fails !== undefined) return done(this.fails)
    this.text += String(chunk)
    this.emit('text')
    done()
  }
  until(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!pattern.test(visible(this.text))) return
        this.off('text', look)
        resolve()
      }
      this.on('text', look)
      look()
    })
  }
}

/** A call under way, with its own streams and signals; `env` has the store's URL. */
function start(argv: readonly string[], given: { env?: Io['env']; stdin?: string; tty?: boolean; fails?: Error } = {}) {
  const stdout = new Capture()
  const stderr = new Capture()
  const signals = new EventEmitter()
  const exits: number[] = []
  stdout.isTTY = stderr.isTTY = given.tty ?? false
  stdout.fails = given.fails
  const stdin = Readable.from([given.stdin ?? ''])
  const env = given.env ?? { JOBFERRY_URL: url }
  const io: Io = { stdin, stdout, stderr, env, cwd: dir, signals, exit: (code) => void exits.push(code) }
  return { stdout, stderr, signals, exits, code: run(argv, io) }
}

async function cli(argv: readonly string[], given: Parameters<typeof start>[1] = {}) {
  const { stdout, stderr, code } = start(argv, given)
  return { code: await code, out: stdout.text, err: stderr.text }
}

/** The document of a call with --json that went well. */
async function json(...argv: readonly string[]) {
  const { code, out, err } = await cli([...argv, '--json'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out)
}

async function store(): Promise<Jobs> {
  opened ??= await open(url, { logger: false })
  return opened
}

/** A finished, a failed, a running and a waiting job of one queue and two tasks. */
async function fourJobs() {
  const jobs = await store()
  const ids = []
  for (let n = 0; n < 4; n++) ids.push((await jobs.enqueue(mail, { to: `${n}` })).id)
  const [done, failed] = await jobs.leaseMany({ limit: 3, for: '1h' })
  await done!.complete({ sent: true })
  await failed!.fail(new Error('no such mailbox'))
  return { completed: ids[0]!, failed: ids[1]!, running: ids[2]!, pending: ids[3]! }
}

const states = async () => Object.fromEntries((await (await store()).list()).map((job) => [job.id, job.state]))

describe('a call', () => {
  it('explains itself as a whole, and each verb by `help`, --help and -h', async () => {
    const whole = overview(verbs)
    expect(await cli(['--help'])).toEqual({ code: 0, out: `${whole}\n`, err: '' })
    expect(await cli(['help'])).toEqual({ code: 0, out: `${whole}\n`, err: '' })
    for (const verb of verbs) {
      expect(whole).toContain(`  ${verb.name.padEnd(9)}  ${verb.summary}\n`)
      const explained = { code: 0, out: `${helpText(verb)}\n`, err: '' }
      expect(await cli(['help', verb.name])).toEqual(explained)
      expect(await cli([verb.name, '--help'])).toEqual(explained)
      expect(await cli(['-h', verb.name])).toEqual(explained)
      expect(await json('help', verb.name)).toMatchObject({ name: verb.name, summary: verb.summary })
    }
    expect((await json('help')).verbs).toHaveLength(verbs.length)
  })

  it('is documented: docs/reference/cli.md has the text of every help', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/reference/cli.md'), 'utf8')
    const parts = [overview(verbs), ...verbs.map(helpText)]
    expect(parts.filter((part) => !page.includes(`\`\`\`text\n${part}\n\`\`\``))).toEqual([])
    for (const code of [0, 1, 2]) expect(page).toMatch(new RegExp(`^\\| ${code} +\\| \\w`, 'm'))
  })

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
    expect(await cli(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' })
    expect(await json('-v')).toEqual({ version })
  })

  it.each([
    [[], 'Expected a verb. See jobferry help'],
    [['lst'], 'Unknown verb "lst". Did you mean "list"?'],
    [['frobnicate'], 'Unknown verb "frobnicate". Known: work, enqueue, stats'],
    [['help', 'lst'], 'Unknown verb "lst". Did you mean "list"?'],
    [['list', '--stat', 'failed'], 'Unknown option "--stat" for jobferry list. Did you mean "--state"?'],
    [['list', '--state', 'faild'], 'Did you mean "failed"?'],
    [['list', '--since', 'yesterday'], 'Expected `--since` to be a time like 2026-11-21T08:00Z'],
    [['list', 'x'], 'Expected jobferry list, got one word too many: "x"'],
    [['show'], 'Expected jobferry show <id>'],
    [['prune', '--older-than', '7 days'], 'Expected `--older-than` to be a duration'],
    [['enqueue', 'mail', 'hello'], 'Expected the payload to be JSON'],
    [['enqueue', 'mail', '@none.json'], 'Could not read @none.json'],
    [['enqueue', 'mail', '--until', '5m'], 'Expected --on-conflict and --until only together with --unique'],
    [['enqueue', 'mail', '--delay', '1m', '--run-at', '0'], 'Expected `delay` or `runAt`, got both'],
    [['retry'], 'Expected ids or --all'],
    [['retry', '--queue', 'email'], 'Expected ids, or --all with the filters'],
    [['retry', 'x', '--queue', 'email'], 'Expected filters only together with --all'],
    [['retry', 'x', '--all'], 'Expected ids or --all, got both'],
    [['retry', '--all', '--state', 'running'], 'Expected `--state` to be one of pending, completed, failed, cancelled'],
    [['edit', 'x'], 'Expected a change'],
  ])('refuses %j as a mistake, on one line and with exit code 2', async (argv, message) => {
    const { code, out, err } = await cli(argv)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
    expect(err).toMatch(/^jobferry: [^\n]+\n$/)
    expect(readdirSync(dir)).toEqual([])
  })

  it('finds its store by --url, anywhere on the line, before JOBFERRY_URL, and needs one', async () => {
    await store()
    expect((await cli(['--url', url, 'stats'], { env: {} })).code).toBe(0)
    expect((await cli(['stats', `--url=${url}`], { env: { JOBFERRY_URL: 'sqlite:none.db' } })).code).toBe(0)
    const { code, err } = await cli(['stats'], { env: {} })
    expect({ code, err }).toEqual({
      code: 2,
      err: 'jobferry: Expected a store: give --url sqlite:app.db, or set JOBFERRY_URL\n',
    })
  })

  it('works on several files as one store, and on tables with another prefix', async () => {
    const two = ['--url', `sqlite:${join(dir, 'a.db')}`, '--url', `sqlite:${join(dir, 'b.db')}`, '--prefix', 'mine_']
    for (const queue of ['q1', 'q2', 'q3', 'q4']) await cli(['enqueue', 'mail', '--queue', queue, ...two])
    const { out } = await cli(['list', '--json', ...two])
    expect(JSON.parse(out).jobs).toHaveLength(4)
    expect((await cli(['stats', '--url', `sqlite:${join(dir, 'a.db')}`])).err).toContain('is not a jobferry file')
  })

  it('never prints a password, in no message and in no stack', async () => {
    for (const secret of ['canary-in-the-mine', 'can@ry/in?the#mine', 'canary'.repeat(30)]) {
      for (const scheme of ['postgres', 'sqlite', 'sqlit']) {
        const bad = `${scheme}://ann:${secret}@host/db`
        const calls = [
          cli(['stats', '--debug'], { env: { JOBFERRY_URL: bad } }),
          cli(['work', 'none', '--url', bad, '--debug']),
          cli([`--url=${bad}`, 'migrate', '--json', '--debug']),
          cli(['doctor', '--json', '--url', bad]),
        ]
        for (const { code, out, err } of await Promise.all(calls)) {
          expect(code).not.toBe(0)
          expect(out + err).not.toMatch(/canary|can@ry|the#mine/)
        }
      }
    }
  })

  it('shows a stack only with --debug', async () => {
    await store()
    expect((await cli(['show', 'none'])).err).toBe('jobferry: There is no job none.\n')
    expect((await cli(['show', 'none', '--debug'])).err).toMatch(
      /^jobferry: There is no job none\.\nStateError: .*\n +at /,
    )
  })

  it('is no failure when nobody reads on, and is one when the disk is full', async () => {
    await fourJobs()
    const fails = (code: string) => ({ fails: Object.assign(new Error(code), { code }) })
    expect(await cli(['list'], fails('EPIPE'))).toEqual({ code: 0, out: '', err: '' })
    expect(await cli(['stats', '--watch'], fails('EPIPE'))).toEqual({ code: 0, out: '', err: '' })
    expect(await cli(['list'], fails('ENOSPC'))).toEqual({
      code: 1,
      out: '',
      err: 'jobferry: stdout could not be written: ENOSPC\n',
    })
  })

  it('has colours on a terminal only, and not with NO_COLOR', async () => {
    await fourJobs()
    const coloured = '\u001B[31mfailed\u001B[39m'
    expect((await cli(['list'], { tty: true })).out).toContain(coloured)
    expect((await cli(['list'], { tty: true, env: { JOBFERRY_URL: url, NO_COLOR: '1' } })).out).not.toContain('\u001B')
    expect((await cli(['list'])).out).not.toContain('\u001B')
  })
})

describe('a store', () => {
  it.each([
    ['stats'],
    ['list'],
    ['show', 'x'],
    ['logs', 'x'],
    ['retry', 'x'],
    ['cancel', '--all'],
    ['edit', 'x', '--delay', '1m'],
    ['delete', 'x'],
    ['pause', 'email'],
    ['resume', 'email'],
    ['prune'],
    ['doctor'],
  ])('that is not there is not made by %s', async (...argv) => {
    const { code, out, err } = await cli(argv)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toBe(`jobferry: There is no file ${url}. Check the path, or make it with jobferry migrate\n`)
    expect(readdirSync(dir)).toEqual([])
  })

  it.each(['rollback', 'wal', 'empty', 'text'])('that is not ours is left as it was: %s', async (kind) => {
    const file = join(dir, 'app.db')
    if (kind === 'empty' || kind === 'text') writeFileSync(file, kind === 'text' ? 'no database '.repeat(100) : '')
    else {
      using handle = new DatabaseSync(file)
      handle.exec(`pragma journal_mode = ${kind === 'wal' ? 'wal' : 'delete'}; create table customer (name text)`)
    }
    const before = readFileSync(file)
    const wrong = kind === 'text' ? 'cannot be read: SQLite: file is not a database' : 'is not a jobferry file'

    const stats = await cli(['stats'])
    expect({ ...stats, err: stats.err.includes(wrong) }).toEqual({ code: 1, out: '', err: true })
    const { code, out } = await cli(['doctor', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({ ok: false })
    expect(JSON.parse(out).findings[0]).toMatchObject({ name: 'schema', level: 'fail' })
    expect(out.includes('it holds customer')).toBe(kind === 'rollback' || kind === 'wal')

    expect(readFileSync(file)).toEqual(before)
    expect(readdirSync(dir)).toEqual(['app.db'])
  })

  it('of a newer jobferry is not touched', async () => {
    await cli(['migrate'])
    using handle = new DatabaseSync(join(dir, 'app.db'))
    handle.exec(`update jobferry_meta set value = 99 where key = 'schema'`)
    expect((await cli(['list'])).err).toMatch(/schema version 99, but this jobferry knows \d+\. Update jobferry/)
    expect((await cli(['migrate'])).code).toBe(1)
    expect((await cli(['doctor'])).code).toBe(1)
  })

  it('is made by migrate, once', async () => {
    const version = expect.any(Number)
    expect(await json('migrate')).toEqual({ stores: [{ url, outcome: 'made', version }] })
    expect(await json('migrate')).toEqual({ stores: [{ url, outcome: 'current', version }] })
    expect((await cli(['migrate'])).out).toMatch(/ current, schema version \d+\n$/)
  })

  it('in memory is there at once', async () => {
    for (const memory of ['memory:', 'sqlite::memory:'])
      expect(await cli(['list', '--url', memory])).toEqual({ code: 0, out: '', err: 'No jobs match.\n' })
  })

  it('is reported on by doctor', async () => {
    await store()
    const { code, out } = await cli(['doctor'])
    expect(code).toBe(0)
    expect(out).toMatch(/^LEVEL +WHAT +FINDING\nok +sqlite +SQLite 3/)
    expect(await json('doctor')).toEqual({ ok: true, findings: await opened!.report() })
  })
})

describe('enqueue', () => {
  it('makes the file, adds the job, and prints its id and the outcome', async () => {
    const { code, out } = await cli(['enqueue', 'mail', '{"to":"ann"}', '--queue', 'email'])
    expect(code).toBe(0)
    const [id, outcome] = out.trim().split(' ')
    expect(outcome).toBe('added')
    expect(await (await store()).get(id!)).toMatchObject({ task: 'mail', queue: 'email', payload: { to: 'ann' } })
  })

  it('takes every option to the job', async () => {
    const argv = ['--priority', '-5', '--max-attempts', '3', '--concurrency-key', 'ann', '--unique', 'k']
    const { id, outcome } = await json('enqueue', 'mail', ...argv, '--until', 'settled', '--run-at', '2099-01-01')
    expect(outcome).toBe('added')
    expect(await json('show', id)).toMatchObject({
      queue: 'default',
      priority: -5,
      maxAttempts: 3,
      concurrencyKey: 'ann',
      unique: { key: 'k', until: 'settled', held: true },
      runAt: Date.UTC(2099, 0, 1),
    })
    const later = await json('enqueue', 'mail', '--delay', '1h', '--unique', 'l', '--until', '5m')
    const { createdAt, runAt, unique } = await json('show', later.id)
    expect([runAt - createdAt, unique.until - createdAt]).toEqual([3_600_000, 300_000])
  })

  it('reads the payload from a file and from stdin', async () => {
    writeFileSync(join(dir, 'p.json'), '[1, 2]')
    const file = await json('enqueue', 'mail', '@p.json')
    const piped = JSON.parse((await cli(['enqueue', 'mail', '-', '--json'], { stdin: '{"n": 1}' })).out)
    expect([await json('show', file.id), await json('show', piped.id)]).toMatchObject([
      { payload: [1, 2] },
      { payload: { n: 1 } },
    ])
    expect((await cli(['enqueue', 'mail', '-'], { stdin: '' })).err).toContain('Expected stdin to be JSON')
  })

  it('says what a held unique key led to', async () => {
    const unique = ['enqueue', 'mail', '--unique', 'k', '--on-conflict']
    const { id } = await json(...unique, 'keep')
    expect(await json(...unique, 'keep')).toEqual({ id, outcome: 'kept' })
    expect(await json(...unique, 'replace')).toEqual({ id, outcome: 'replaced' })
    const { code, err } = await cli([...unique, 'reject'])
    expect(code).toBe(1)
    expect(err).toContain(`is held by job ${id}`)
  })

  it('takes schema, queue and policy from the module that declares the task', async () => {
    writeFileSync(
      join(dir, 'tasks.ts'),
      `import { task } from '${library}'
       const check = (value: any) => (value?.to ? { value } : { issues: [{ message: 'expected text', path: ['to'] }] })
       const payload = { '~standard': { version: 1, vendor: 'test', validate: check } }
       export const mail = task({ name: 'mail', queue: 'email', priority: 7, payload: payload as any })`,
    )
    const { id } = await json('enqueue', 'mail', '{"to":"ann"}', '--module', 'tasks.ts')
    expect(await json('show', id)).toMatchObject({ queue: 'email', priority: 7 })
    expect(await cli(['enqueue', 'mail', '{}', '--module', './tasks.ts'])).toEqual({
      code: 2,
      out: '',
      err: 'jobferry: The payload is not one of task "mail": to: expected text\n',
    })
    expect((await cli(['enqueue', 'mial', '--module', 'tasks.ts'])).err).toContain('Did you mean "mail"?')
  })
})

describe('list and show', () => {
  it('lists by queue, task, state, time, unique key and parent', async () => {
    const jobs = await store()
    const ids = await fourJobs()
    const { id } = await jobs.enqueue(report, undefined, { unique: 'k' })
    const found = async (...argv: readonly string[]) =>
      (await json('list', ...argv)).jobs.map((job: { id: string }) => job.id)
    const mails = [ids.pending, ids.running, ids.failed, ids.completed]
    expect(await found()).toEqual([id, ...mails])
    expect(await found('--oldest')).toEqual([id, ...mails].toReversed())
    expect(await found('--queue', 'email')).toEqual(mails)
    expect(await found('--task', 'report')).toEqual([id])
    expect(await found('--state', 'failed')).toEqual([ids.failed])
    expect(await found('--unique-key', 'k')).toEqual([id])
    expect(await found('--since', '1h', '--until', '2099-01-01', '--task', 'report')).toEqual([id])
    expect(await found('--until', '1h')).toEqual([])
    expect(await found('--parent', id)).toEqual([])
  })

  it('lists page by page', async () => {
    await fourJobs()
    const first = await json('list', '--limit', '3')
    const second = await json('list', '--limit', '3', '--after', first.after)
    expect([first.jobs.length, second.jobs.length, second.after]).toEqual([3, 1, undefined])
    expect((await cli(['list', '--limit', '3'])).err).toBe(`There may be more: --after ${first.after}\n`)
  })

  it('lists for people: a row each, with relative times and the last failure', async () => {
    const ids = await fourJobs()
    const { out } = await cli(['list'])
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^ID +STATE +TASK +QUEUE +ATTEMPT +WHEN +LAST FAILURE$/),
      expect.stringMatching(`^${ids.pending}  pending +mail +email +0/1  waits, due (now|\\ds ago)$`),
      expect.stringMatching(`^${ids.running}  running +mail +email +1/1  since (now|\\ds ago)$`),
      expect.stringMatching(`^${ids.failed}  failed +mail +email +1/1  (now|\\ds ago) +no such mailbox$`),
      expect.stringMatching(`^${ids.completed}  completed +mail +email +1/1  (now|\\ds ago)$`),
      '',
    ])
  })

  it('shows a job with exact times, payload, result and failures', async () => {
    const { completed, failed } = await fourJobs()
    const { code, out } = await cli(['show', completed])
    expect(code).toBe(0)
    expect(out).toMatch(/^state +completed$/m)
    expect(out).toMatch(/^created +\d{4}-\d\d-\d\dT[\d:.]+Z \((now|\ds ago)\)$/m)
    expect(out).toMatch(/^payload +\{\n +"to": "0"\n +\}$/m)
    expect(out).toMatch(/^result +\{\n +"sent": true\n/m)
    expect((await cli(['show', failed])).out).toMatch(/^failures +attempt 1, .*\n +Error: no such mailbox\n +at /m)
    expect(await json('show', failed)).toMatchObject({ id: failed, failures: [{ message: 'no such mailbox' }] })
    expect(await cli(['show', 'none'])).toEqual({ code: 1, out: '', err: 'jobferry: There is no job none.\n' })
  })

  it('shows bytes as what they are', async () => {
    const { id } = await (await store()).enqueue(task<Uint8Array>({ name: 'bytes' }), new Uint8Array([1, 255]))
    expect((await json('show', id)).payload).toEqual({ base64: 'Af8=' })
    expect((await cli(['show', id])).out).toMatch(/^payload +2 bytes: 01ff$/m)
  })

  it('shows no control characters of what a job carries', async () => {
    const jobs = await store()
    const { id } = await jobs.enqueue(mail, { to: 'x' })
    await (await jobs.lease())!.fail(new Error('\u001B[2J\u0007gone'))
    expect((await cli(['show', id])).out).toContain('\\u001b[2J\\u0007gone')
    expect((await cli(['list'])).out).toContain('\\u001b[2J\\u0007gone')
  })
})

describe('retry, cancel, delete and edit', () => {
  it('retries the jobs named, and fails for those that are missing or running', async () => {
    const ids = await fourJobs()
    expect(await cli(['retry', ids.failed, ids.completed])).toEqual({
      code: 0,
      out: `${ids.failed} retried\n${ids.completed} retried\n`,
      err: '',
    })
    const { code, out, err } = await cli(['retry', 'none', ids.running, ids.pending, '--json'])
    expect({ code, err }).toEqual({
      code: 1,
      err: `jobferry: There is no job none.\njobferry: Job ${ids.running} is running; only a job that waits or has finished can be retried.\n`,
    })
    expect(JSON.parse(out).jobs).toMatchObject([
      { id: 'none', outcome: 'missing' },
      { id: ids.running, outcome: 'refused' },
      { id: ids.pending, outcome: 'retried' },
    ])
  })

  it('retries all failed jobs, unless told otherwise', async () => {
    const ids = await fourJobs()
    expect(await json('retry', '--all', '--queue', 'other')).toEqual({ retried: 0 })
    expect(await json('retry', '--all', '--queue', 'email')).toEqual({ retried: 1 })
    expect(await states()).toMatchObject({ [ids.failed]: 'pending', [ids.completed]: 'completed' })
    expect((await cli(['retry', '--all', '--state', 'completed'])).out).toBe('1 retried\n')
    expect((await states())[ids.completed]).toBe('pending')
  })

  it('goes through more jobs than a page holds, each once, with a bar on a terminal', async () => {
    const jobs = await store()
    await jobs.enqueueMany(Array.from({ length: 250 }, (_, n) => mail.with({ to: `${n}` })))
    const { code, out, err } = await cli(['cancel', '--all', '--task', 'mail'], { tty: true })
    expect({ code, out }).toEqual({ code: 0, out: '250 cancelled\n' })
    expect(visible(err)).toMatch(/^␍␛\[Kcancelling \[#+\.+\] 40% 100\/250.*␍␛\[K$/)
    expect(await cli(['delete', '--all'])).toEqual({ code: 0, out: '250 deleted\n', err: '' })
    expect(await jobs.list()).toEqual([])
  })

  it('cancels waiting jobs at once, asks running ones to stop, and fails for finished ones', async () => {
    const ids = await fourJobs()
    expect(await json('cancel', ids.pending, '--reason', 'moved')).toEqual({
      jobs: [{ id: ids.pending, outcome: 'cancelled' }],
    })
    expect((await json('show', ids.pending)).cancel).toBe('moved')
    expect(await json('cancel', '--all')).toEqual({ cancelled: 0, requested: 1 })
    const { code, err } = await cli(['cancel', ids.completed, 'none'])
    expect(code).toBe(1)
    expect(err).toMatch(
      /is finished; only one that waits or runs can be cancelled\.\njobferry: There is no job none\.\n$/,
    )
  })

  it('deletes all but running jobs', async () => {
    const ids = await fourJobs()
    expect(await cli(['delete', ids.completed])).toEqual({ code: 0, out: `${ids.completed} deleted\n`, err: '' })
    expect((await cli(['delete', ids.completed, ids.running])).code).toBe(1)
    expect(await json('delete', '--all')).toEqual({ deleted: 2 })
    expect(await states()).toEqual({ [ids.running]: 'running' })
  })

  it('edits a job that waits', async () => {
    const { pending, completed } = await fourJobs()
    const changes = ['--payload', '{"to":"eve"}', '--run-at', '4070908800000', '--priority', '3', '--max-attempts', '9']
    expect(await json('edit', pending, ...changes)).toMatchObject({
      id: pending,
      payload: { to: 'eve' },
      runAt: Date.UTC(2099, 0, 1),
      priority: 3,
      maxAttempts: 9,
    })
    expect((await cli(['edit', pending, '--delay', '1h'])).out).toMatch(/^due +.* \(in 1h\)$/m)
    expect((await cli(['edit', completed, '--delay', '1h'])).code).toBe(1)
    expect((await cli(['edit', 'none', '--delay', '1h'])).code).toBe(1)
  })
})

describe('queues', () => {
  it('are counted by stats, for people and as JSON', async () => {
    await fourJobs()
    await cli(['enqueue', 'report', '--delay', '2h'])
    expect(await json('stats')).toEqual({ queues: JSON.parse(JSON.stringify(await opened!.stats())) })
    const { out } = await cli(['stats', '--tasks'])
    expect(out.split('\n').map((line) => line.split(/ +/).join(' '))).toEqual([
      'QUEUE PENDING RUNNING COMPLETED FAILED CANCELLED PRIORITY LIMIT NEXT',
      'default 1 0 0 0 0 0 in 2h',
      ' report 1 0 0 0 0',
      'email 1 1 1 1 0 0 due',
      ' mail 1 1 1 1 0',
      'total 2 1 1 1 0',
      '',
    ])
  })

  it('are watched line by line until a signal', async () => {
    await fourJobs()
    const watch = start(['stats', '--watch', '10ms'])
    await watch.stdout.until(/(.* email pending=1 running=1 completed=1 failed=1 cancelled=0\n){2}/)
    await cli(['pause', 'email'])
    await watch.stdout.until(/cancelled=0 paused\n/)
    watch.signals.emit('SIGINT')
    expect(await watch.code).toBe(0)
    expect(watch.signals.eventNames()).toEqual([])

    const streamed = start(['stats', '--watch', '--json'])
    await streamed.stdout.until(/\n/)
    streamed.signals.emit('SIGTERM')
    expect(await streamed.code).toBe(0)
    expect(JSON.parse(streamed.stdout.text)).toMatchObject({ at: expect.any(Number), queues: [{ queue: 'email' }] })
  })

  it('are redrawn in place on a terminal', async () => {
    await fourJobs()
    const watch = start(['stats', '--watch', '10ms'], { tty: true })
    await watch.stdout.until(/^␛\[2J(␛\[HQUEUE[^]*Ctrl-C ends[^]*␛\[J){2}/)
    watch.signals.emit('SIGINT')
    expect(await watch.code).toBe(0)
  })

  it('are paused and resumed; one that nobody has used is noted', async () => {
    await fourJobs()
    expect(await cli(['pause', 'email'])).toEqual({ code: 0, out: 'email paused\n', err: '' })
    expect(await (await store()).lease({ queue: 'email' })).toBeUndefined()
    expect((await cli(['stats'])).out).toMatch(/^email .* paused$/m)
    expect(await json('resume', 'email')).toEqual({ queues: [{ queue: 'email', paused: false }] })
    expect(await cli(['pause', 'emial'])).toEqual({
      code: 0,
      out: 'emial paused\n',
      err: 'jobferry: Queue emial has had no job so far. Did you mean "email"?\n',
    })
  })

  it('are pruned: of what retention lets go, or of what matches', async () => {
    const ids = await fourJobs()
    await cli(['cancel', ids.pending])
    expect(await cli(['prune'])).toEqual({ code: 0, out: '0 jobs pruned\n', err: '' })
    expect(await json('prune', '--older-than', '7d')).toEqual({ pruned: 0 })
    expect(await json('prune', '--queue', 'other')).toEqual({ pruned: 0 })
    expect(await json('prune', '--task', 'mail', '--state', 'failed')).toEqual({ pruned: 1 })
    const { out, err } = await cli(['prune', '--older-than', '0ms'], { tty: true })
    expect(out).toBe('2 jobs pruned\n')
    expect(visible(err)).toMatch(/^␍␛\[Kpruning \[#{15}\.{15}\] 50% 1\/2/)
    expect(await states()).toEqual({ [ids.running]: 'running' })
  })
})

describe('logs', () => {
  async function runningJob() {
    const jobs = await store()
    const { id } = await jobs.enqueue(mail)
    const held = (await jobs.lease({ for: '1h' }))!
    held.log.info('looking up\u0007', { host: 'mx' })
    await jobs.logs(id) // once stored
    return { id, held, jobs }
  }

  it('are shown with exact times, levels and data', async () => {
    const { id } = await runningJob()
    const { code, out } = await cli(['logs', id])
    expect(code).toBe(0)
    expect(out).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z info  attempt 1: looking up\\u0007 \{"host":"mx"\}\n$/)
    const line = await json('logs', id)
    expect(line).toMatchObject({ jobId: id, level: 'info', message: 'looking up\u0007', data: { host: 'mx' } })
    expect((await cli(['logs', 'none'])).code).toBe(1)
  })

  it('are followed to the end of the job', async () => {
    const { id, held, jobs } = await runningJob()
    const follow = start(['logs', id, '--follow', '--json'])
    await follow.stdout.until(/looking up/)
    held.log.warn('slow')
    await jobs.logs(id) // once stored
    await follow.stdout.until(/slow/)
    held.log.info('sent')
    await held.complete()
    expect(await follow.code).toBe(0)
    const lines = follow.stdout.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).message)
    expect(lines).toEqual(['looking up\u0007', 'slow', 'sent'])
  })

  it('are followed until a signal, or until nobody reads on', async () => {
    const { id } = await runningJob()
    const follow = start(['logs', id, '--follow'])
    await follow.stdout.until(/looking up/)
    follow.signals.emit('SIGTERM')
    expect(await follow.code).toBe(0)
    const fails = Object.assign(new Error('EPIPE'), { code: 'EPIPE' })
    expect((await cli(['logs', id, '--follow'], { fails })).code).toBe(0)
  })
})

describe('work', () => {
  /** A module of tasks; `wait` runs until `globalThis.release` is called or it is told to stop. */
  function module(name: string, text: string): string {
    const path = join(dir, name)
    writeFileSync(path, `import { task } from '${library}'\n${text}`)
    return path
  }
  const done = (name: string) => `task({ name: '${name}', handler: () => '${name} done' })`
  const waiting = `export const mail = task({ name: 'mail', queue: 'email', handler: (_, job) =>
    new Promise((resolve, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason)))})`

  it('runs the tasks that modules export: by name, in arrays, as their default', async () => {
    module('one.ts', `export const a = ${done('a')}; export const more = [${done('b')}]; export const x = 1`)
    module('two.ts', `const c = ${done('c')}; export { c }; export default { c, d: ${done('d')} }`)
    module('three.ts', `export default [${done('e')}, task({ name: 'f' })]`)
    const ids = []
    for (const name of ['a', 'b', 'c', 'd', 'e']) ids.push((await json('enqueue', name)).id)
    const work = start(['work', 'one.ts', './two.ts', join(dir, 'three.ts'), '--concurrency', '2', '--poll', '50ms'])
    const jobs = await store()
    expect((await Promise.all(ids.map((id) => jobs.wait(id)))).map((job) => job?.result)).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((name) => `${name} done`),
    )
    work.signals.emit('SIGTERM')
    expect(await work.code).toBe(0)
    expect(work.exits).toEqual([0])
    expect(work.signals.eventNames()).toEqual([])
    expect(work.stderr.text).toMatch(/ info {2}working tasks=\["a","b","c","d","e"\] /)
    expect(work.stderr.text).toMatch(/ info {2}job completed id=\w+ task=a queue=default /)
  })

  it('makes the file, and works only the queues named', async () => {
    const path = module('tasks.ts', `export const a = ${done('a')}`)
    const work = start(['work', path, '--queues', 'q1,q2', '--queues', 'q3'])
    await work.stderr.until(/working/)
    expect(existsSync(join(dir, 'app.db'))).toBe(true)
    const jobs = await store()
    const ids = []
    for (const queue of ['other', 'q1', 'q2', 'q3']) ids.push((await json('enqueue', 'a', '--queue', queue)).id)
    await Promise.all(ids.slice(1).map((id) => jobs.wait(id)))
    expect((await jobs.get(ids[0]))?.state).toBe('pending')
    work.signals.emit('SIGINT')
    expect(await work.code).toBe(0)
  })

  it('gives its lines as JSON on stdout, from the level asked for', async () => {
    const path = module('tasks.ts', `export const a = task({ name: 'a', handler: () => { throw new Error('no') } })`)
    const { id } = await json('enqueue', 'a', '--max-attempts', '1')
    const work = start(['work', path, '--json', '--log-level', 'error'])
    await work.stdout.until(/\n/)
    work.signals.emit('SIGTERM')
    expect(await work.code).toBe(0)
    expect(work.stderr.text).toBe('')
    const lines = work.stdout.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { level: 'error', message: 'job failed', id, error: { message: 'no', stack: expect.any(String) } },
    ])
  })

  it('stops runs that outlast the grace and gives them back, with exit code 1', async () => {
    const work = start(['work', module('tasks.ts', waiting), '--grace', '10ms', '--log-level', 'debug'])
    const { id } = await (await store()).enqueue(mail)
    await work.stderr.until(/job started/)
    work.signals.emit('SIGTERM')
    expect(await work.code).toBe(1)
    expect(work.exits).toEqual([1])
    expect(await (await store()).get(id)).toMatchObject({ state: 'pending', attempt: 0 })
  })

  it('ends the grace at a second signal, but not at an echo of the first', async () => {
    const work = start(['work', module('tasks.ts', waiting), '--grace', '1h', '--log-level', 'debug'])
    const { id } = await (await store()).enqueue(mail)
    await work.stderr.until(/job started/)
    work.signals.emit('SIGINT')
    work.signals.emit('SIGINT')
    expect(work.stderr.text).toMatch(/SIGINT: draining for up to 1h running=1\n$/)
    work.signals.emit('SIGTERM')
    expect(work.stderr.text).toMatch(/SIGTERM again: stopping at once running=1\n$/)
    expect(await work.code).toBe(1)
    expect(await (await store()).get(id)).toMatchObject({ state: 'pending', attempt: 0 })
  })

  it('ends the process at a third signal', async () => {
    const work = start(['work', module('tasks.ts', waiting), '--grace', '1h', '--log-level', 'debug'])
    await (await store()).enqueue(mail)
    await work.stderr.until(/job started/)
    work.signals.emit('SIGINT')
    work.signals.emit('SIGTERM')
    work.signals.emit('SIGINT')
    expect(work.exits).toEqual([1])
    await work.code
  })

  it('goes on when nobody reads its lines', async () => {
    const path = module('tasks.ts', `export const a = ${done('a')}`)
    const { id } = await json('enqueue', 'a')
    const fails = Object.assign(new Error('EPIPE'), { code: 'EPIPE' })
    const work = start(['work', path, '--json'], { fails })
    expect((await (await store()).wait(id))?.state).toBe('completed')
    work.signals.emit('SIGTERM')
    expect(await work.code).toBe(0)
  })

  it.each([
    ['none.ts', 2, /There is neither a file .*none\.ts nor a package none\.ts/],
    ['./none.ts', 2, /There is no module .*none\.ts/],
    ['empty.ts', 2, /Expected empty\.ts to export a task with a handler, found no task at all/],
    ['bare.ts', 2, /found only tasks without a handler \(mail\): give them one with \.handle\(…\)/],
    ['twice.ts', 2, /Task "a" is given twice/],
    ['broken.ts', 1, /Could not import broken\.ts: broken on purpose/],
  ])('says what is wrong with the module %s', async (name, exit, message) => {
    module('empty.ts', 'export const x = 1')
    module('bare.ts', `export const mail = task({ name: 'mail' })`)
    module('twice.ts', `export const a = ${done('a')}; export const b = ${done('a')}`)
    module('broken.ts', `throw new Error('broken on purpose')`)
    const work = start(['work', name])
    expect(await work.code).toBe(exit)
    expect(work.exits).toEqual([exit])
    expect(work.stderr.text).toMatch(message)
  })
})
