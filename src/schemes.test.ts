import { expect, it } from 'vitest'

import { UsageError } from './core/errors.ts'
import { open } from './open.ts'
import { expectOptions, optionsOf, schemeOf, schemes } from './schemes.ts'
import { MemoryStore } from './stores/memory/index.ts'

it('knows a URL by what it begins with', () => {
  const urls = [
    'sqlite:app.db',
    'sqlite::memory:',
    'memory:',
    'postgres://ann@host/db',
    'postgresql:///db',
    'que:postgres://h/db',
    'backlite:app.db',
    'liteq:app.db',
    'sqlq:postgres://h/db',
  ]
  expect(urls.map((url) => schemeOf(url).names[0])).toEqual([
    'sqlite',
    'sqlite',
    'memory',
    'postgres',
    'postgres',
    'que',
    'backlite',
    'liteq',
    'sqlq',
  ])
  for (const url of ['redis://host', 'rediss://host', 'redis+cluster://a,b', 'rediss+cluster://a'])
    expect(schemeOf(url).names[0]).toBe('redis')
})

it.each([
  ['sqlit:app.db', 'Did you mean "sqlite"?'],
  ['postgre://host/db', 'Did you mean "postgres"?'],
  [
    'app.db',
    /^Expected a URL like sqlite:app.db, postgres:\/\/user@host\/database, .*redis-work-queue:.*, sqlq:.*, backlite:app.db, liteq:app.db.* or memory:, got "app.db"/,
  ],
  ['', 'got ""'],
])('refuses %s with a word of what is meant', (url, words) => {
  expect(() => schemeOf(url)).toThrow(UsageError)
  expect(() => schemeOf(url)).toThrow(words)
})

it('repeats no password of a URL it does not know', () => {
  for (const url of ['mysql://ann:canary@host/db', 'libsql://host?authToken=canary'])
    expect(() => schemeOf(url)).toThrow(/^(?!.*canary)/s)
})

it('reads the file of a sqlite URL, and which stores live in memory', () => {
  const urls = ['sqlite:app.db', 'sqlite:/var/app.db', 'sqlite:///var/app.db', 'sqlite::memory:', 'memory:']
  expect(urls.map((url) => schemeOf(url).file?.(url))).toEqual([
    'app.db',
    '/var/app.db',
    '/var/app.db',
    undefined,
    undefined,
  ])
  expect(urls.map((url) => schemeOf(url).inMemory?.(url))).toEqual([false, false, false, true, true])
  for (const url of ['sqlite:', 'sqlite://']) expect(() => schemeOf(url).file?.(url)).toThrow('path of a file')
})

it.each([
  ['sqlite:app.db', { schema: 'x' }, '`schema` is an option of postgres: and que:, not of sqlite:'],
  ['postgres://host/db', { busyTimeout: '5s' }, /`busyTimeout` is an option of sqlite:.*, not of postgres:/],
  ['redis://host', { busyTimeout: '5s' }, /`busyTimeout` is an option of sqlite:.*, not of redis:/],
  ['memory:', { durability: 'full' }, '`durability` is an option of sqlite: and postgres:, not of memory:'],
  ['postgres://host/db', { connection: 5 }, 'Unknown option "connection" in open(). Did you mean "connections"?'],
  ['sqlite:app.db', { dispatcher: 'stopped' }, '`dispatcher` is an option of backlite:, not of sqlite:'],
  ['sqlite:app.db', { visibilityTimeout: '1m' }, '`visibilityTimeout` is an option of liteq:, not of sqlite:'],
  ['sqlite:app.db', { loger: console }, 'Did you mean "logger"?'],
  ['sqlite:app.db', 'fast', 'Expected the options of open() to be an object, got "fast"'],
])('refuses options of %s that only another store has, or none: %j', async (url, options, words) => {
  await expect(open(url, options as object)).rejects.toThrow(UsageError)
  await expect(open(url, options as object)).rejects.toThrow(words)
})

it('refuses the options of URLs for a store of one’s own', async () => {
  const options = { busyTimeout: '5s' }
  await expect(open(new MemoryStore(), options as object)).rejects.toThrow(
    /`busyTimeout` is an option of sqlite:.*, not of a store of your own/,
  )
})

it('takes the options of each of several stores, and gives each its own', () => {
  const [sqlite, postgres] = [schemeOf('sqlite:app.db'), schemeOf('postgres://host/db')]
  const options = { busyTimeout: '5s', schema: 'x', durability: 'full', prefix: undefined, logger: false }
  expectOptions(options, [sqlite, postgres], ['logger'])
  expect(optionsOf(sqlite, options)).toEqual({ busyTimeout: '5s', durability: 'full' })
  expect(optionsOf(postgres, options)).toEqual({ schema: 'x', durability: 'full' })
})

it('names no option twice for one store, nor one of every store', () => {
  for (const { optionNames } of schemes) {
    expect(new Set(optionNames).size).toBe(optionNames.length)
    for (const name of ['logger', 'migrate', 'shardBy', 'clock', 'file']) expect(optionNames).not.toContain(name)
  }
})
