import { inspect } from 'node:util'

import { expect, it } from 'vitest'

import { open } from '../../src/index.ts'
import { cli } from '../postgres/cli-kit.ts'
import { newSqlq } from './kit.ts'

it('shows, counts, changes, cancels, retries and removes jobs by the URL alone, and never its password', async () => {
  const sqlq = await newSqlq()
  const url = Object.assign(new URL(sqlq.url), { password: 'canary' }).href
  const call = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await cli(`sqlq:${url}`, ...words)
    expect({ words, code, err }).toEqual({ words, code: 0, err: '' })
    expect(out).not.toContain('canary')
    return out
  }
  await call('migrate')
  await call('enqueue', 'send', '{"to":"ada"}', '--queue', 'mail')
  await call('enqueue', 'send', '{"to":"bob"}', '--queue', 'mail', '--delay', '1h')
  const [first = '', second = ''] = (await sqlq.rows()).map(({ id }) => id ?? '')
  expect(await call('list')).toMatch(/send[^]*send/)
  expect(JSON.parse(await call('show', first, '--json'))).toMatchObject({
    id: first,
    payload: { to: 'ada' },
    state: 'pending',
    priority: 10,
  })
  expect(await call('stats')).toContain('mail')
  await call('edit', second, '--priority', '7')
  await call('cancel', second)
  expect((await sqlq.rows()).map(({ status, priority }) => [status, priority])).toEqual([
    ['pending', '10'],
    ['cancelled', '7'],
  ])
  await call('retry', second)
  expect((await sqlq.rows()).map(({ status }) => status)).toEqual(['pending', 'pending'])
  await sqlq.client.query(`insert into sqlq.job_logs (job, level, message) values ($1, 'warn', 'from Go')`, [first])
  expect(await call('logs', first)).toContain('from Go')
  await call('delete', first, second)
  expect(await sqlq.rows()).toEqual([])
  expect(await call('doctor')).toContain('version 17')
})

it('says by name what it cannot do', async () => {
  const sqlq = await newSqlq()
  const paused = await cli(`sqlq:${sqlq.url}`, 'pause', 'default')
  expect(paused.code).not.toBe(0)
  expect(paused.err).toContain('The sqlq store has no "pause"')
})

it.each([
  'sqlq:postgres://ann:canary@127.0.0.1:1/db',
  'sqlq:postgres://ann:canary%ZZ@127.0.0.1:1/db',
  'sqlq:postgres://ann:canary@127.0.0.1:1/db?schema=a',
  'sqlq:mysql//ann:canary@127.0.0.1:1/db',
])('keeps the password of %s out of its errors', async (url: string) => {
  const error: unknown = await open(url, { logger: false }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('canary')
})
