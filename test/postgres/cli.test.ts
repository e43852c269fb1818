import { EventEmitter } from 'node:events'
import { Readable, Writable } from 'node:stream'

import { expect, it } from 'vitest'

import { run } from '../../src/cli/run.ts'
import { newSchema } from '../servers/kit.ts'

class Capture extends Writable {
  readonly isTTY = false
  readonly columns = 100
  text = ''
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += String(chunk)
    done()
  }
}

async function cli(url: string, ...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [new Capture(), new Capture()]
  const env = { JOBFERRY_URL: url }
  const io = { stdin: Readable.from(['']), stdout, stderr, env, cwd: '/', signals: new EventEmitter(), exit: () => {} }
  return { code: await run(argv, io), out: stdout.text, err: stderr.text }
}

/** The URL of a schema, with a password that must not be seen again. */
async function newUrl(): Promise<string> {
  const { url, schema } = await newSchema()
  const parsed = new URL(url)
  parsed.password = 'canary'
  parsed.searchParams.set('schema', schema)
  return parsed.href
}

it('makes, fills and shows a PostgreSQL store by its URL alone, and never its password', async () => {
  const url = await newUrl()
  const outputs = [
    await cli(url, 'migrate'),
    await cli(url, 'enqueue', 'mail', '{"to":"ada"}'),
    await cli(url, 'list'),
    await cli(url, 'stats'),
    await cli(url, 'doctor'),
  ]
  for (const { code, out, err } of outputs) {
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).not.toContain('canary')
  }
  expect(outputs[0]!.out).toContain('postgres:***@')
  expect(outputs[2]!.out).toContain('mail')
})

it('shows no password of a server that cannot be reached, nor with an option that is not its own', async () => {
  const unreachable = await cli('postgres://ann:canary@127.0.0.1:1/db', 'stats')
  expect(unreachable.code).toBe(1)
  expect(unreachable.err).toContain('postgres://ann:***@127.0.0.1:1/db')
  const foreign = await cli('postgres://ann:canary@127.0.0.1:1/db', 'migrate', '--prefix', 'jobs_')
  expect(foreign).toEqual({ code: 2, out: '', err: expect.stringContaining('`prefix` is an option of sqlite:') })
  for (const { err, out } of [unreachable, foreign]) expect(err + out).not.toContain('canary')
})
