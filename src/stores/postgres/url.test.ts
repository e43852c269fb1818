import { describe, expect, it } from 'vitest'

import { type PostgresOptions, postgresSettings } from './options.ts'
import { withUrlOptions } from '../pg/url.ts'

const plain = 'postgres://ann:canary@host:5432/db'

describe('the URL of a PostgreSQL store', () => {
  it('is given to the driver as it is, when it says nothing of ours', () => {
    const url = `${plain}?sslmode=verify-full&application_name=x`
    expect(withUrlOptions<PostgresOptions>(url, { connections: 2 })).toEqual({ url, options: { connections: 2 } })
  })

  it('may name the schema, which the driver does not get to see', () => {
    expect(withUrlOptions<PostgresOptions>(`${plain}?a=1&schema=mine`, { notify: false })).toEqual({
      url: `${plain}?a=1`,
      options: { notify: false, schema: 'mine' },
    })
    expect(withUrlOptions<PostgresOptions>(`${plain}?schema=mine`, { schema: 'mine' }).options).toEqual({
      schema: 'mine',
    })
  })

  it.each([
    [
      `${plain}?schema=a`,
      { schema: 'b' },
      'The URL says schema="a" (string), the options say "b" (string). Say it once',
    ],
    [`${plain}?schema=a&schema=b`, {}, 'The URL names more than one schema. Say it once'],
    [`${plain}?shema=a`, {}, 'Unknown parameter "shema" in the URL. Did you mean "schema"?'],
    [
      `${plain}?sslmode=no-verify`,
      { ssl: true },
      'Both the URL (sslmode) and the option `ssl` speak of TLS. Say it once',
    ],
    [
      `${plain}?sslmode=verify-ful`,
      {},
      `Expected \`sslmode\` to be 'disable', 'prefer', 'require', 'verify-ca', 'verify-full' or 'no-verify', got "verify-ful" (string) Did you mean "verify-full"?`,
    ],
    ['postgres://ann:canary@/db?a', {}, 'Expected a URL like postgres://user@host:5432/database'],
  ])('%s is refused, and its password not repeated', (url, options, message) => {
    expect(() => withUrlOptions<PostgresOptions>(url, options)).toThrow(
      expect.objectContaining({ code: 'usage', message }),
    )
    expect(message).not.toContain('canary')
  })
})

describe('the options of a PostgreSQL store', () => {
  it('have defaults', () => {
    expect(postgresSettings({})).toEqual({
      schema: 'jobferry',
      durability: { enqueue: 'full', settle: 'relaxed' },
      pool: undefined,
      connections: 5,
      transactions: 10,
      ssl: undefined,
      timeoutMs: 15_000,
      connectMs: 5_000,
      notify: true,
      prepare: true,
      applicationName: 'jobferry',
    })
  })

  it.each([
    [
      { schema: 'a-b' },
      'Expected `schema` to be letters, digits and underscores, at most 48, not beginning with pg_, got "a-b" (string)',
    ],
    [{ schema: 'pg_mine' }, 'not beginning with pg_, got "pg_mine" (string)'],
    [{ schema: 'x'.repeat(49) }, 'at most 48'],
    [{ schema: '' }, 'got "" (string)'],
    [
      { durability: 'ful' },
      `Expected \`durability\` to be 'full' or 'relaxed', got "ful" (string) Did you mean "full"?`,
    ],
    [{ durability: { enqeue: 'full' } }, 'Unknown option "enqeue" in durability. Did you mean "enqueue"?'],
    [{ connections: '5' }, 'Expected `connections` to be a whole number from 1 to 1000, got "5" (string)'],
    [{ transactions: 0 }, 'Expected `transactions` to be a whole number from 1 to 1000, got 0 (number)'],
    [{ ssl: 'require' }, 'Expected `ssl` to be true, false or an object, got "require" (string)'],
    [{ timeout: '10ms' }, 'timeout'],
    [{ connectTimeout: 1 }, 'connectTimeout'],
    [{ notify: 1 }, 'Expected `notify` to be true or false, got 1 (number)'],
    [{ applicationName: 'é' }, 'Expected `applicationName` to be 1 to 63 printable ASCII characters, got "é" (string)'],
    [{ pool: {} }, 'Expected `pool` to be a pg.Pool, got an object (Object)'],
    [{ shcema: 'x' }, 'Unknown option "shcema" in the PostgreSQL store. Did you mean "schema"?'],
  ])('%j is refused by name', (options, message) => {
    expect(() => postgresSettings(options as object)).toThrow(message)
  })
})
