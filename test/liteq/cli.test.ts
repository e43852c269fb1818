import { expect, it } from 'vitest'

import { cli } from '../postgres/cli-kit.ts'
import { newFile } from '../sqlite/kit.ts'
import { newLiteq } from './kit.ts'
import { flavours } from './schema.ts'

it.for(flavours)('shows, counts, changes and removes jobs by the URL alone (%s)', async (flavour) => {
  const liteq = newLiteq(flavour)
  const call = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await cli(`liteq:${liteq.file}?visibilityTimeout=20s`, ...words)
    expect({ words, code, err }).toEqual({ words, code: 0, err: '' })
    return out
  }
  await call('migrate')
  await call('enqueue', 'mail', '{"to":"ada"}')
  await call('enqueue', 'mail', '{"to":"bob"}', '--delay', '1h')
  expect(await call('list')).toMatch(/mail[^]*mail/)
  expect(JSON.parse(await call('show', '1', '--json'))).toMatchObject({
    id: '1',
    payload: { to: 'ada' },
    queue: 'mail',
  })
  expect(JSON.parse(await call('stats', '--json'))).toMatchObject({
    queues: [{ queue: 'mail', counts: { pending: 2 } }],
  })
  await call('retry', '2')
  expect(liteq.values().map((row) => row['execute_after'])).toEqual([0, 0])
  await call('delete', '2')
  expect(liteq.values().map((row) => row['job'])).toEqual(['{"to":"ada"}'])
  expect(await call('doctor')).toContain('taken back 20 s later')
})

it('says by name what it cannot do, and what is not there', async () => {
  const liteq = newLiteq('raw')
  expect((await cli(`liteq:${liteq.file}`, 'pause', 'mail')).err).toContain('The liteq store has no "pause"')
  const none = await cli(`liteq:${newFile()}`, 'list')
  expect(none.code).not.toBe(0)
  expect(none.err).toContain('There is no file')
})

it('moves what waits with jobferry adopt', async () => {
  const liteq = newLiteq('scoped')
  const to = `sqlite:${newFile()}`
  await cli(`liteq:${liteq.file}`, 'enqueue', 'mail', '1')
  const { code, out } = await cli(to, 'adopt', `liteq:${liteq.file}`)
  expect({ code, out }).toEqual({ code: 0, out: '1 job moved\n' })
  expect(liteq.rows()).toEqual([])
})
