import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it, onTestFinished } from 'vitest'

import type { Job } from '../../src/core/job.ts'
import type { Bell } from '../../src/store.ts'
import { watch } from '../../src/stores/sqlite-file/bell.ts'
import { SqliteStore } from '../../src/stores/sqlite/index.ts'
import { newFile, openHandle } from './kit.ts'

const T = Date.UTC(2026, 0, 1)

let made = 0

function aJob(): Job {
  return {
    id: `job-${String(++made).padStart(4, '0')}`,
    task: 'hello',
    queue: 'default',
    state: 'pending',
    priority: 0,
    runAt: T,
    payload: '{}',
    attempt: 0,
    maxAttempts: 5,
    rev: 0,
    lease: undefined,
    leaseUntil: undefined,
    createdAt: T,
    startedAt: undefined,
    finishedAt: undefined,
    forgetAt: undefined,
    unique: undefined,
    concurrencyKey: undefined,
    cancel: undefined,
    failures: [],
    result: undefined,
    parent: undefined,
    policy: undefined,
  }
}

function openStore(file: string): SqliteStore {
  const store = new SqliteStore({ file })
  onTestFinished(() => store.close())
  void store.migrate()
  return store
}

/** What a store has rung, and a way to wait for the next bell of a kind. */
function listen(store: SqliteStore): { heard: Bell[]; next: (bell: Bell) => Promise<void>; end: () => void } {
  const heard: Bell[] = []
  const waiting = new Map<Bell, () => void>()
  const end = store.listen((bell) => {
    heard.push(bell)
    waiting.get(bell)?.()
  })
  return { heard, end, next: (bell) => new Promise((resolve) => waiting.set(bell, resolve)) }
}

const add = (store: SqliteStore): void => void store.insert([{ jobs: [{ job: aJob(), ifHeld: 'keep' }] }], T)

describe('the bell of a store', () => {
  it('rings at once for its own writes, and not a second time when the file moves', async () => {
    const file = newFile()
    const [own, other] = [openStore(file), openStore(file)]
    const { heard, next } = listen(own)
    add(own)
    expect(heard).toEqual(['jobs'])
    add(own)
    expect(heard).toEqual(['jobs', 'jobs'])
    const rung = next('jobs')
    add(other)
    await rung
    expect(heard).toEqual(['jobs', 'jobs', 'jobs'])
  })

  it('rings for whatever another connection commits, once it has committed and not before', async () => {
    const file = newFile()
    const own = openStore(file)
    const db = openHandle(file)
    db.exec('create table app (n integer)')
    const { heard, next } = listen(own)
    db.exec('begin immediate')
    db.exec('insert into app values (1)')
    void own.report() // a look in between sees nothing new
    expect(heard).toEqual([])
    const rung = next('jobs')
    db.exec('commit')
    await rung
  })

  it('rings for each of two listeners, and no more for one that has ended', async () => {
    const file = newFile()
    const [own, other] = [openStore(file), openStore(file)]
    const first = listen(own)
    const second = listen(own)
    first.end()
    first.end()
    const rung = second.next('jobs')
    add(other)
    await rung
    expect(first.heard).toEqual([])
    second.end()
    add(other)
    add(own)
    expect(second.heard).toEqual(['jobs'])
  })

  it('rings control for a cancellation and a setting of another connection, and not for its renewals: they would keep each other awake', async () => {
    const file = newFile()
    const [own, other] = [openStore(file), openStore(file)]
    add(other)
    const request = { tasks: undefined, limit: 1, lease: 'a', until: T + 30_000, now: T }
    const [job] = (await other.claim(request)).jobs
    const { heard, next } = listen(own)
    const renewed = next('jobs')
    const [answer] = await other.renew([{ id: job!.id, lease: 'a' }], T + 40_000, T)
    await renewed
    expect(heard).not.toContain('control')
    const cancelled = next('control')
    const before = { ...job!, rev: answer!.rev, leaseUntil: T + 40_000 }
    await other.apply([{ before, after: { ...before, rev: before.rev + 1, cancel: 'stop' } }], T)
    await cancelled
    const paused = next('control')
    await other.configure('default', { paused: true })
    await paused
  })

  it('begins anew when all had ended', async () => {
    const file = newFile()
    const [own, other] = [openStore(file), openStore(file)]
    listen(own).end()
    const { next } = listen(own)
    const rung = next('jobs')
    add(other)
    await rung
  })

  it.skipIf(process.platform !== 'linux')('watches one file, and none once the store has closed', () => {
    const file = newFile()
    const own = openStore(file)
    const before = watches()
    const { heard } = listen(own)
    listen(own)
    expect(watches()).toBe(before + 1)
    own.close()
    expect(watches()).toBe(before)
    add(openStore(file))
    expect(heard).toEqual([])
  })
})

/** How many files this process watches, as the kernel has it. */
function watches(): number {
  const texts = readdirSync('/proc/self/fdinfo').map((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')
    } catch {
      return '' // closed since: the descriptor of the folder itself
    }
  })
  return texts.join('').split('inotify wd:').length - 1
}

describe('watching', () => {
  it('a database in memory, or a file that is not there, is no error and rings for nothing', () => {
    const never = (): never => {
      throw new Error('rung')
    }
    watch(':memory:', () => 0, never)()
    watch(newFile(), () => 0, never)()
  })

  it('goes on while the version cannot be read for a moment', async () => {
    const file = newFile()
    const db = new DatabaseSync(file)
    db.exec('pragma journal_mode = wal; create table app (n integer)')
    let version = 1
    let broken = true
    const changed = new Promise<void>((resolve) => {
      const end = watch(
        file,
        () => {
          if (broken && version > 1) {
            broken = false
            throw new Error('busy')
          }
          return version
        },
        () => {
          end()
          resolve()
        },
      )
    })
    version = 2
    db.exec('insert into app values (1)')
    await changed
    expect(broken).toBe(false)
    db.close()
    rmSync(file)
  })
})
