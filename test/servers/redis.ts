import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { makeFolder } from './folder.ts'
import { freePort } from './port.ts'
import { Program } from './program.ts'
import { type RedisPrograms, redisPrograms } from './redis-programs.ts'
import { until } from './until.ts'

const run = promisify(execFile)

/** How a Redis server is to be. */
export interface RedisOptions {
  /**
   * When what was written reaches the disk: `no` (never: a restart begins empty), or an append-only file that is flushed every second or at
   * every write, under /var/tmp. Default `no`.
   */
  readonly append?: 'no' | 'everysec' | 'always'
  /** Further settings: `{ maxmemory: '10mb' }`. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** Where its folder is made. Default: the system's temporary folder, or /var/tmp with an append-only file. */
  readonly parent?: string
}

/**
 * Starts a private Redis server on a free port of 127.0.0.1, without a password, and without snapshots. Where there is no Redis it is
 * installed. The server ends with this process however that ends, and is gone with its data when it is disposed of.
 * @throws Error with the server's last words if it does not start
 */
export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const programs = await redisPrograms()
  const version = await versionOf(programs.server)
  const { append = 'no', settings, parent = append === 'no' ? tmpdir() : '/var/tmp' } = options
  const port = await freePort()
  const folder = makeFolder(parent, 'redis')
  const all = {
    bind: '127.0.0.1',
    port,
    dir: folder,
    save: '',
    appendonly: append === 'no' ? 'no' : 'yes',
    appendfsync: append,
    // So that a test may say `debug sleep`. Older ones always let it.
    ...(version >= 7 ? { 'enable-debug-command': 'local' } : {}),
    ...settings,
  }
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)])
  const redis = new Redis({ programs, args, folder, port })
  try {
    await redis.start()
  } catch (error) {
    await redis[Symbol.asyncDispose]()
    throw error
  }
  return redis
}

interface Place {
  readonly programs: RedisPrograms
  readonly args: readonly string[]
  readonly folder: string
  readonly port: number
}

/** A private Redis server, which can be stopped, killed and started again on the same port, with what it has kept. */
export class Redis {
  /** For any client: `redis://127.0.0.1:port`. */
  readonly url: string
  readonly port: number
  readonly #place: Place
  #server: Program | undefined

  constructor(place: Place) {
    this.#place = place
    this.port = place.port
    this.url = `redis://127.0.0.1:${place.port}`
  }

  /** The number of the server's process. @throws Error if it does not run */
  get pid(): number {
    if (this.#server === undefined) throw new Error('This Redis server does not run. Call start() first.')
    return this.#server.pid
  }

  get running(): boolean {
    return this.#server?.running ?? false
  }

  /** Starts it and resolves when it answers. Nothing, if it runs. @throws Error with its last words if it ends instead */
  async start(): Promise<void> {
    if (this.running) return
    const { programs, args, folder } = this.#place
    const log = join(folder, 'log')
    const server = await Program.start({ command: programs.server, args, folder, log, deathSignal: 'SIGKILL' })
    this.#server = server
    await until('Redis was ready', async () => {
      if (!server.running) throw new Error(`Redis has not started:\n${server.lastWords}`)
      return (await this.#answers()) ? true : undefined
    })
  }

  /** Sends one command, by the server's own client, and resolves to what that prints. */
  async ask(...words: readonly string[]): Promise<string> {
    const { stdout } = await run(this.#place.programs.cli, ['-p', String(this.port), ...words])
    return stdout.trimEnd()
  }

  /** Of a replica: resolves when it has its link to its master, and all that the master had. */
  async linked(): Promise<void> {
    await until('the replica had its link', async () =>
      (await this.ask('info', 'replication')).includes('master_link_status:up') ? true : undefined,
    )
  }

  /** Stops it in order; what it keeps on disk stays. Nothing, if it does not run. */
  async stop(): Promise<void> {
    await this.#server?.end('SIGTERM')
  }

  /** Kills it. What it had written to its append-only file stays. */
  async kill(): Promise<void> {
    await this.#server?.end('SIGKILL')
  }

  /** Stops it in order, and starts it again. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Ends it, and removes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.#place.folder, { recursive: true, force: true })
  }

  /** While it still reads its append-only file it answers with an error. */
  async #answers(): Promise<boolean> {
    return (await this.ask('ping').catch(() => '')) === 'PONG'
  }
}

/** The major version. */
async function versionOf(command: string): Promise<number> {
  const { stdout } = await run(command, ['--version'])
  return Number(/v=(\d+)/.exec(stdout)?.[1])
}
