import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it } from 'vitest'

import { open, StoreError, task, UsageError } from '../../src/index.ts'
import { hasWalResetFix, networkFileSystem } from '../../src/stores/sqlite-file/opening.ts'
import { SqliteStore } from '../../src/stores/sqlite/index.ts'
import { newFile, newFolder, openJobs, startChild } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello' })

describe('a file that cannot be used is refused when it is opened, by name', () => {
  const refusal = async (file: string): Promise<StoreError> => {
    const error: unknown = await openJobs(file).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StoreError)
    expect((error as StoreError).message).toContain(file)
    expect((error as StoreError).retryable).toBe(false)
    return error as StoreError
  }

  it('when its folder is missing, and makes none', async () => {
    const folder = join(newFolder(), 'not', 'there')
    expect((await refusal(join(folder, 'jobs.db'))).message).toContain('unable to open')
    expect(existsSync(dirname(folder))).toBe(false)
  })

  it('when the path is a folder', async () => {
    const folder = newFolder()
    await refusal(folder)
    expect(readdirSync(folder)).toEqual([])
  })

  it('when it is no database, and leaves it as it is', async () => {
    const file = newFile()
    writeFileSync(file, 'Dear diary, '.repeat(1_000))
    const before = readFileSync(file)
    expect((await refusal(file)).message).toContain('not a database')
    expect(readFileSync(file).equals(before)).toBe(true)
    expect(readdirSync(dirname(file))).toEqual(['jobs.db'])
  })

  it('when its tables are destroyed', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    await jobs.enqueue(hello, { n: 1 })
    await jobs.close()
    const bytes = readFileSync(file)
    bytes.fill(0xff, 100, 2_048) // the schema page, without the header of the file
    writeFileSync(file, bytes)
    expect((await refusal(file)).message).toMatch(/malformed/)
    expect(readFileSync(file).equals(bytes)).toBe(true)
  })

  it('when a part of it is missing', async () => {
    const file = newFile()
    const jobs = await openJobs(file)
    await jobs.enqueueMany(Array.from({ length: 1_000 }, (_, n) => hello.with({ n })))
    await jobs.close()
    truncateSync(file, 4 * 2_048)
    expect((await refusal(file)).message).toMatch(/malformed/)
  })

  it('when it may only be read, and its folder too', async () => {
    const file = newFile()
    await (await openJobs(file)).close()
    const nobody = 65_534
    chmodSync(file, 0o444)
    chmodSync(dirname(file), 0o555)
    const child = await startChild()
    await expect(child.call('openAs', nobody, file)).rejects.toMatchObject({
      name: 'StoreError',
      message: expect.stringContaining(file),
      retryable: false,
    })
    expect(readdirSync(dirname(file))).toEqual(['jobs.db'])
  })

  it('when it may not be read at all', async () => {
    const file = newFile()
    await (await openJobs(file)).close()
    chmodSync(file, 0)
    chmodSync(dirname(file), 0o777)
    const child = await startChild()
    await expect(child.call('openAs', 65_534, file)).rejects.toMatchObject({
      name: 'StoreError',
      message: expect.stringContaining(file),
    })
  })
})

it('can be looked at through a driver that only reads, and refuses to change anything', async () => {
  const file = newFile()
  const writer = await openJobs(file)
  const { id } = await writer.enqueue(hello, { n: 1 })
  const reader = await openJobs(file, { driver: (path: string) => new DatabaseSync(path, { readOnly: true }) })
  expect(await reader.get(id)).toMatchObject({ state: 'pending' })
  expect((await reader.stats())[0]?.counts.pending).toBe(1)
  await expect(reader.enqueue(hello, { n: 2 })).rejects.toMatchObject({ name: 'StoreError', retryable: false })
  await expect(reader.lease()).rejects.toMatchObject({ name: 'StoreError', retryable: false })
  expect(await writer.list()).toHaveLength(1)
})

describe('a file that is not ours yet', () => {
  it('is left alone with `migrate: false`, says so at the first use, and the report tells what to do', async () => {
    const file = newFile()
    const app = new DatabaseSync(file)
    app.exec('create table customer (name text)')
    app.close()
    const jobs = await openJobs(file, { migrate: false })
    await expect(jobs.enqueue(hello, { n: 1 })).rejects.toThrow(/no such table: jobferry_/)
    const report = await jobs.report()
    expect(report.find(({ name }) => name === 'schema')).toMatchObject({
      level: 'fail',
      message: expect.stringContaining('jobferry migrate'),
    })
    expect(report.find(({ name }) => name === 'tables')?.message).toContain('customer')
    const db = new DatabaseSync(file)
    expect(db.prepare('select name from sqlite_schema').all()).toEqual([{ name: 'customer' }])
    db.close()
  })

  it('takes our tables beside its own', async () => {
    const file = newFile()
    const app = new DatabaseSync(file)
    app.exec("create table job (name text); insert into job values ('baker')")
    app.close()
    const jobs = await openJobs(file)
    await jobs.enqueue(hello, { n: 1 })
    await jobs.close()
    const db = new DatabaseSync(file)
    expect(db.prepare('select name from job').all()).toEqual([{ name: 'baker' }])
    db.close()
  })
})

describe('a SQLite that can corrupt the file', () => {
  it.each([
    ['3.7.0', false],
    ['3.40.1', false],
    ['3.44.5', false],
    ['3.44.6', true],
    ['3.45.1', false],
    ['3.49.2', false],
    ['3.50.6', false],
    ['3.50.7', true],
    ['3.51.0', false],
    ['3.51.2', false],
    ['3.51.3', true],
    ['3.52.0', false],
    ['3.52.1', true],
    ['3.53.4', true],
    ['3.100.0', true],
    ['4.0.0', true],
    ['', false],
  ])('version %s has the fix: %s', (version, fixed) => {
    expect(hasWalResetFix(version)).toBe(fixed)
  })

  it('is refused by its version, before the file is changed', async () => {
    const file = newFile()
    const old = (path: string): DatabaseSync => {
      const db = new DatabaseSync(path)
      db.function('sqlite_version', () => '3.45.1')
      return db
    }
    await expect(openJobs(file, { driver: old })).rejects.toThrow(UsageError)
    await expect(openJobs(file, { driver: old })).rejects.toThrow('3.45.1')
    expect(readFileSync(file).length).toBe(0)
    const jobs = await openJobs(file, { driver: old, allowUnsafeSqlite: true })
    expect((await jobs.report()).find(({ name }) => name === 'sqlite')).toMatchObject({ level: 'fail' })
  })
})

it('knows no network file system where there is none, and asks for no folder that is missing', () => {
  expect(networkFileSystem(newFile())).toBeUndefined()
  expect(networkFileSystem('/not/there/jobs.db')).toBeUndefined()
})

describe('the URL of a file', () => {
  it('may be relative, absolute, or with the three slashes of others', async () => {
    const folder = newFolder()
    const file = join(folder, 'jobs.db')
    for (const url of [`sqlite:${file}`, `sqlite://${file}`]) {
      const jobs = await open(url, { logger: false })
      await jobs.enqueue(hello, { n: 1 })
      await jobs.close()
    }
    const jobs = await openJobs(file)
    expect(await jobs.list()).toHaveLength(2)
  })

  it('names a file whatever is in it', async () => {
    const folder = newFolder()
    for (const name of ['with space.db', 'ünïcode-𝄞.db', 'a?b=c#d.db', '%41.db', 'file:x.db', "quote'.db"]) {
      const jobs = await openJobs(join(folder, name))
      await jobs.enqueue(hello, { n: 1 })
      await jobs.close()
      expect(existsSync(join(folder, name)), name).toBe(true)
    }
  })

  it('is refused when there is no path, or another scheme', async () => {
    await expect(open('sqlite:')).rejects.toThrow(UsageError)
    await expect(open('sqlite://')).rejects.toThrow(UsageError)
    await expect(open('sqllite:jobs.db')).rejects.toThrow('Did you mean "sqlite"?')
    await expect(open('jobs.db')).rejects.toThrow(UsageError)
    await expect(open([])).rejects.toThrow(UsageError)
    await expect(open(42 as never)).rejects.toThrow(UsageError)
  })
})

it('lives in memory alone with `sqlite::memory:`', async () => {
  const jobs = await open('sqlite::memory:', { logger: false })
  await jobs.enqueue(hello, { n: 1 })
  expect((await jobs.lease())?.payload).toEqual({ n: 1 })
  expect((await jobs.report()).find(({ name }) => name === 'journal')?.level).toBe('warn')
  await jobs.close()
  expect(existsSync(':memory:')).toBe(false)
})

it('closes whatever it had opened when one of several files cannot be', async () => {
  const folder = newFolder()
  mkdirSync(join(folder, 'folder'))
  const files = [join(folder, 'a.db'), join(folder, 'folder')]
  await expect(openJobs(files)).rejects.toThrow(StoreError)
  expect(readdirSync(folder).toSorted()).toEqual(['a.db', 'folder']) // no -wal: nobody has it open
})

it('refuses options that it does not know, or values that make no sense', () => {
  const file = newFile()
  for (const options of [
    { durability: 'ful' },
    { durability: { enqueue: 'none' } },
    { durability: { enque: 'full' } },
    { busyTimeout: -1 },
    { busyTimeout: 'long' },
    { prefix: 'a-b' },
    { prefix: '' },
    { prefix: '1a' },
    { file: '' },
    { bussyTimeout: 1 },
  ]) {
    expect(() => new SqliteStore({ file, ...options } as never), JSON.stringify(options)).toThrow(UsageError)
  }
  expect(existsSync(file)).toBe(false)
})

it('can be copied while it is closed, and goes on from there', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  await jobs.enqueue(hello, { n: 1 })
  await jobs.close()
  const copy = newFile()
  cpSync(file, copy)
  const other = await openJobs(copy)
  expect((await other.lease())?.payload).toEqual({ n: 1 })
})
