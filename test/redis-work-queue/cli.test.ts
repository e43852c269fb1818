import { inspect } from 'node:util'

import { expect, it } from 'vitest'

import { open } from '../../src/index.ts'
import { cli } from '../postgres/cli-kit.ts'
import { newQueue } from './kit.ts'

it('shows, counts, adds and removes jobs by the URL alone', async () => {
  const queue = await newQueue()
  const url = `redis-work-queue:${queue.url}?prefix=${queue.prefix}`
  const call = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await cli(url, ...words)
    expect({ words, code, err }).toEqual({ words, code: 0, err: '' })
    return out
  }
  await call('migrate')
  await call('enqueue', queue.prefix, '{"to":"ada"}', '--unique', 'a', '--until', 'settled')
  await queue.client.set(`${queue.prefix}:item:b`, Buffer.from([0xff]))
  await queue.client.lpush(`${queue.prefix}:queue`, 'b')
  expect(await call('list')).toMatch(/\bb\b[^]*\ba\b/)
  expect(await call('list')).toMatch(/b +pending .* 0\/∞ +waits\n/)
  expect(await call('show', 'b')).not.toContain('1970')
  expect(JSON.parse(await call('show', 'a', '--json'))).toMatchObject({
    id: 'a',
    payload: { to: 'ada' },
    state: 'pending',
  })
  expect(await call('stats')).toMatch(/default +2/)
  await call('edit', 'a', '--payload', '{"to":"eve"}')
  expect(await queue.client.get(`${queue.prefix}:item:a`)).toBe('{"to":"eve"}')
  await call('delete', 'a', 'b')
  expect(await queue.keys()).toEqual({})
  expect(await call('doctor')).toContain(`the prefix ${queue.prefix}`)
})

it('says by name what it cannot do', async () => {
  const queue = await newQueue()
  const paused = await cli(`redis-work-queue:${queue.url}?prefix=a`, 'pause', 'default')
  expect(paused.code).not.toBe(0)
  expect(paused.err).toContain('The redis-work-queue store has no "pause"')
})

it.each([
  'redis-work-queue:redis://ann:canary@127.0.0.1:1',
  'redis-work-queue:redis://ann:canary@127.0.0.1:1?prefix=a&tsk=b',
  'redis-work-queue:redis://ann:canary@127.0.0.1:1?prefix=a&timeout=1ms',
  'redis-work-queue:redis//ann:canary@127.0.0.1:1?prefix=a',
])('keeps the password of %s out of its errors', async (url: string) => {
  const error: unknown = await open(url, { logger: false }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('canary')
})
