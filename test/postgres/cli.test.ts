import { inspect } from 'node:util'

import { expect, it } from 'vitest'

import { open } from '../../src/index.ts'
import { newSchema } from '../servers/kit.ts'
import { cli } from './cli-kit.ts'

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
  ]
  for (const { code, out, err } of outputs) {
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).not.toContain('canary')
  }
  const doctor = await cli(url, 'doctor')
  expect(doctor).toEqual({ code: 1, err: '', out: expect.stringContaining('fsync is off') }) // it is, on the server of the tests
  expect(doctor.out).not.toContain('canary')
  expect(outputs[0]!.out).toMatch(/postgres:\*\*\*@.* ready\n$/)
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

it.each([
  'postgres://ann:canary@127.0.0.1:1/db',
  'postgres://ann:canary%ZZ@127.0.0.1:1/db',
  'postgres://ann:canary@127.0.0.1:99999/db',
  'postgres://ann:canary@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/no/such/file',
  'postgres://ann:canary@127.0.0.1:1/db?sslmode=weird',
  'postgres://ann:canary@127.0.0.1:1/db?schema=a-b',
  'postgres://127.0.0.1:1/db?user=ann&password=canary&schema=a&schema=b',
])('keeps the password of %s out of its errors, however deep one looks', async (url: string) => {
  const error: unknown = await open(url, { logger: false }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('canary')
})
