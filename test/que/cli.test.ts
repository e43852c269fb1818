import { inspect } from 'node:util'

import { expect, it } from 'vitest'

import { open } from '../../src/index.ts'
import { cli } from '../postgres/cli-kit.ts'
import { newQue, versions } from './kit.ts'

it.for(versions)(
  'shows, counts, changes and removes jobs of version %i by the URL alone, and never its password',
  async (version) => {
    const que = await newQue(version)
    const url = Object.assign(new URL(que.url), { password: 'canary' }).href
    const call = async (...words: string[]): Promise<string> => {
      const { code, out, err } = await cli(`que:${url}`, ...words)
      expect({ words, code, err }).toEqual({ words, code: 0, err: '' })
      expect(out).not.toContain('canary')
      return out
    }
    await call('migrate')
    await call('enqueue', 'SendMail', '["ada"]', '--queue', 'mail')
    await call('enqueue', 'SendMail', '["bob"]', '--queue', 'mail', '--delay', '1h')
    expect(await call('list')).toMatch(/SendMail[^]*SendMail/)
    expect(JSON.parse(await call('show', '1', '--json'))).toMatchObject({
      id: '1',
      payload: ['ada'],
      state: 'pending',
      priority: 100,
    })
    expect(await call('stats')).toContain('mail')
    await call('edit', '2', '--priority', '7')
    await call('retry', '2')
    expect((await que.rows()).map(({ priority, run_at: runAt }) => [priority, runAt! < '2100'])).toEqual([
      ['100', true],
      ['7', true],
    ])
    await call('delete', '1', '2')
    expect(await que.rows()).toEqual([])
    expect(await call('doctor')).toContain(`version ${version}`)
  },
)

it('says by name what it cannot do', async () => {
  const que = await newQue(7)
  const paused = await cli(`que:${que.url}`, 'pause', 'default')
  expect(paused.code).not.toBe(0)
  expect(paused.err).toContain('The que store has no "pause"')
})

it.each([
  'que:postgres://ann:canary@127.0.0.1:1/db',
  'que:postgres://ann:canary%ZZ@127.0.0.1:1/db',
  'que:postgres://ann:canary@127.0.0.1:1/db?schema=a-b',
  'que:mysql//ann:canary@127.0.0.1:1/db',
])('keeps the password of %s out of its errors', async (url: string) => {
  const error: unknown = await open(url, { logger: false }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('canary')
})
