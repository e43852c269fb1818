import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import BetterSqlite3 from 'better-sqlite3'
import Libsql from 'libsql'
import { onTestFinished } from 'vitest'

import { type EventOf, type EventType, type Jobs, open, type OpenOptions } from '../../src/index.ts'
import type { SqliteHandle } from '../../src/stores/sqlite/index.ts'
import type { Actions } from './child.ts'

/** A handle of a caller's own, whichever driver it is of. */
export interface Handle extends SqliteHandle {
  close(): void
}

/** Opens a caller's own handle with each of the drivers. They wait for locks, as any application's would. */
export const drivers: Readonly<Record<string, (file: string) => Handle>> = {
  'node:sqlite': (file) => new DatabaseSync(file, { timeout: 5_000 }),
  'better-sqlite3': (file) => new BetterSqlite3(file),
  libsql: (file) => new Libsql(file, { timeout: 5_000 }),
}

/** How our own store is opened on each of the drivers: in one process there must be only one SQLite for a file. */
export const openOn: Readonly<Record<string, OpenOptions>> = {
  'node:sqlite': {},
  'better-sqlite3': { driver: (file) => new BetterSqlite3(file) },
  libsql: { driver: (file) => new Libsql(file), allowUnsafeSqlite: true },
}

/** A folder that is gone when the test is over. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jobferry-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The path of a file that does not exist yet. */
export function newFile(): string {
  return join(newFolder(), 'jobs.db')
}

/** Opens files, one or several, for the length of the test. */
export async function openJobs(files: string | readonly string[], options: OpenOptions = {}): Promise<Jobs> {
  const urls = typeof files === 'string' ? `sqlite:${files}` : files.map((file) => `sqlite:${file}`)
  const jobs = await open(urls, { logger: false, ...options })
  onTestFinished(() => jobs.close({ grace: 0 }))
  return jobs
}

/** A handle of the caller's own, for the length of the test. */
export function openHandle(file: string, driver: (file: string) => Handle = drivers['node:sqlite']!): Handle {
  const handle = driver(file)
  onTestFinished(() => {
    handle.close()
  })
  return handle
}

/** The next event of a type. */
export function next<T extends EventType>(jobs: Jobs, type: T): Promise<EventOf<T>> {
  return new Promise((resolve) => {
    const end = jobs.on(type, (event) => {
      end()
      resolve(event)
    })
  })
}

/** Resolves once so many events of a type have come. */
export function count(jobs: Jobs, type: EventType, wanted: number): Promise<void> {
  let seen = 0
  return new Promise((resolve) => {
    const end = jobs.on(type, () => {
      if (++seen < wanted) return
      end()
      resolve()
    })
  })
}

/** What a child says: an answer to a call, or something of its own accord. */
interface Message {
  readonly id?: number
  readonly value?: unknown
  readonly error?: object
  readonly told?: string
}

/** Another process. What it is told to do is a function of `child.ts`. */
export class Child {
  readonly #process: ChildProcess
  readonly #calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  readonly #ears = new Map<string, (value: unknown) => void>()
  #asked = 0

  constructor(process: ChildProcess) {
    this.#process = process
    process.on('message', (message: Message) => this.#hear(message))
    process.on('exit', (code, signal) => {
      for (const { reject } of this.#calls.values()) reject(new Error(`The child has ended: ${code ?? signal}`))
    })
  }

  /** Calls an action in the child and resolves to what it answers. @throws what it threw */
  async call<Name extends keyof Actions>(
    name: Name,
    ...args: Parameters<Actions[Name]>
  ): Promise<Awaited<ReturnType<Actions[Name]>>> {
    const id = ++this.#asked
    const answer = new Promise<Awaited<ReturnType<Actions[Name]>>>((resolve, reject) =>
      this.#calls.set(id, { resolve, reject }),
    )
    this.#process.send({ id, name, args })
    return await answer
  }

  /** Resolves to what the child tells of its own accord under this name, the next time it does. */
  told(name: string): Promise<unknown> {
    return new Promise((resolve) => this.#ears.set(name, resolve))
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    this.#process.kill(signal)
    await once(this.#process, 'exit')
  }

  #hear({ id, value, error, told }: Message): void {
    if (told !== undefined) {
      const ear = this.#ears.get(told)
      this.#ears.delete(told)
      return ear?.(value)
    }
    const call = this.#calls.get(id ?? 0)
    this.#calls.delete(id ?? 0)
    if (error === undefined) call?.resolve(value as never)
    else call?.reject(Object.assign(new Error('in the child'), error))
  }
}

/** Starts another process, which is ended with the test. One that is to crash may do so in silence. */
export async function startChild({ silent = false } = {}): Promise<Child> {
  const child = new Child(fork(join(import.meta.dirname, 'child.ts'), { execArgv: ['--no-warnings'], silent }))
  onTestFinished(() => child.end())
  await child.told('ready')
  return child
}
