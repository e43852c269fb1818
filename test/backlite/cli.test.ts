import { existsSync } from 'node:fs'

import { expect, it } from 'vitest'

import { cli } from '../postgres/cli-kit.ts'
import { newFile } from '../sqlite/kit.ts'
import { newBacklite } from './kit.ts'

it('adds, shows and counts tasks by the URL alone, and changes and removes them where no dispatcher runs', async () => {
  const backlite = newBacklite()
  const call = async (url: string, ...words: string[]): Promise<string> => {
    const { code, out, err } = await cli(url, ...words)
    expect({ words, code, err }).toEqual({ words, code: 0, err: '' })
    return out
  }
  const url = `backlite:${backlite.file}`
  await call(url, 'migrate')
  await call(url, 'enqueue', 'mail', '{"To":"ada"}')
  await call(url, 'enqueue', 'mail', '{"To":"bob"}', '--delay', '1h')
  const [first = '', second = ''] = backlite.values().map((row) => String(row['id']))
  expect(await call(url, 'list')).toMatch(/mail[^]*mail/)
  expect(JSON.parse(await call(url, 'show', first, '--json'))).toMatchObject({
    id: first,
    payload: { To: 'ada' },
    state: 'pending',
  })
  expect(await call(url, 'stats')).toContain('mail')
  expect(await call(url, 'doctor')).toMatch(/backlite v0\.6[^]*may be running/)

  const refused = await cli(url, 'delete', first)
  expect(refused.code).not.toBe(0)
  expect(refused.err).toContain('dispatcher')
  const alone = `${url}?dispatcher=stopped`
  await call(alone, 'retry', second)
  expect(backlite.values().map((row) => row['wait_until'])).toEqual([null, null])
  await call(alone, 'edit', first, '--payload', '{"To":"eve"}')
  expect(backlite.values()[0]?.['task']).toBe('{"To":"eve"}\n')
  await call(alone, 'delete', first, second)
  expect(backlite.rows()).toEqual([])
  expect(await call(alone, 'doctor')).toContain('said to be stopped')
})

it('says by name what it cannot do', async () => {
  const { code, err } = await cli(`backlite:${newBacklite().file}`, 'pause', 'mail')
  expect(code).not.toBe(0)
  expect(err).toContain('The backlite store has no "pause"')
})

it('looks at no file that is not there, and makes none', async () => {
  const file = newFile()
  for (const verb of ['list', 'stats', 'doctor']) {
    const { code, out, err } = await cli(`backlite:${file}`, verb)
    expect({ verb, code: code === 0 }).toEqual({ verb, code: false })
    expect(out + err).toContain(`There is no file ${file}`)
  }
  expect(existsSync(file)).toBe(false)
})
