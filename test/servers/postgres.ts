import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { type Account, postgresAccount } from './account.ts'
import { makeFolder } from './folder.ts'
import { freePort } from './port.ts'
import { postgresBinaries } from './postgres-binaries.ts'
import { Program } from './program.ts'
import { until } from './until.ts'

const run = promisify(execFile)

/** How a PostgreSQL server is to be. */
export interface PostgresOptions {
  /**
   * Whether a commit that returned outlives a power cut, on a real disk (under /var/tmp): what a benchmark needs. Default false: `fsync`
   * is off, and only a crash of the machine loses anything. A crash of the server does not.
   */
  readonly durable?: boolean
  /** Lines for postgresql.conf, in addition: `{ shared_buffers: '512MB' }`. `alter system` can change them later. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** The folder with its programs. Default: `postgresBinaries()`. */
  readonly binaries?: string
  /** Where its folder is made. The user `postgres` must get through to it. Default: the system's temporary folder, or /var/tmp if durable. */
  readonly parent?: string
}

interface Place {
  readonly binaries: string
  readonly version: string
  readonly folder: string
  readonly port: number
  readonly account: Account
}

/**
 * Makes a cluster and starts a private PostgreSQL server on it: user `postgres`, database `postgres`, no password, UTF-8, locale C, 200
 * connections, on a free port of 127.0.0.1 and a unix socket. It takes about a second, ends with this process however that ends, and is
 * gone with its data when it is disposed of.
 * @throws Error with the server's last words if it does not start
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const postgres = new Postgres(await prepare(options))
  try {
    await postgres.start()
  } catch (error) {
    await postgres[Symbol.asyncDispose]()
    throw error
  }
  return postgres
}

/** A private PostgreSQL server and its cluster, which can be stopped, killed and started again on the same port with the same data. */
export class Postgres {
  /** For any client: `postgres://postgres@127.0.0.1:port/postgres`. */
  readonly url: string
  readonly port: number
  /** The same by its unix socket. */
  readonly socketUrl: string
  /** Where all its files are. */
  readonly folder: string
  /** As `15.14`. */
  readonly version: string
  readonly #place: Place
  #server: Program | undefined

  constructor(place: Place) {
    this.#place = place
    this.port = place.port
    this.url = `postgres://postgres@127.0.0.1:${place.port}/postgres`
    this.socketUrl = `${this.url}?host=${place.folder}`
    this.folder = place.folder
    this.version = place.version
  }

  /** The number of the server's first process. @throws Error if it does not run */
  get pid(): number {
    if (this.#server === undefined) throw new Error('This PostgreSQL server does not run. Call start() first.')
    return this.#server.pid
  }

  get running(): boolean {
    return this.#server?.running ?? false
  }

  /** Starts it and resolves when it takes connections. Nothing, if it runs. @throws Error with its last words if it ends instead */
  async start(): Promise<void> {
    if (this.running) return
    const { binaries, folder, account } = this.#place
    const server = await Program.start({
      command: join(binaries, 'postgres'),
      args: ['-D', join(folder, 'data')],
      folder,
      account,
      log: join(folder, 'log'),
      deathSignal: 'SIGQUIT',
    })
    this.#server = server
    await until('PostgreSQL was ready', () => {
      if (!server.running) throw new Error(`PostgreSQL has not started:\n${server.lastWords}`)
      return ready(folder, server.pid)
    })
  }

  /** Stops it in order, with its connections cut off; the data stays. Nothing, if it does not run. */
  async stop(): Promise<void> {
    await this.#server?.end('SIGINT')
  }

  /** Crashes it: SIGQUIT as `pg_ctl stop -m immediate` does, SIGKILL as the kernel does when memory is short. The data stays. */
  async kill(signal: 'SIGQUIT' | 'SIGKILL' = 'SIGQUIT'): Promise<void> {
    await this.#server?.end(signal)
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
}

async function prepare({ durable = false, settings, ...options }: PostgresOptions): Promise<Place> {
  const binaries = options.binaries ?? (await postgresBinaries())
  const version = await versionOf(binaries)
  const account = postgresAccount()
  const folder = makeFolder(options.parent ?? (durable ? '/var/tmp' : tmpdir()), 'postgres', account)
  const data = join(folder, 'data')
  const init = [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--no-locale',
    ...(durable ? [] : ['--no-sync']),
  ]
  try {
    await run(join(binaries, 'initdb'), init, { cwd: folder, ...account })
    const port = await freePort() // as late as can be: somebody else may be looking for one
    const relaxed = durable ? {} : { fsync: false, full_page_writes: false }
    configure(data, {
      listen_addresses: '127.0.0.1',
      port,
      unix_socket_directories: folder,
      max_connections: 200,
      ...relaxed,
      ...settings,
    })
    return { binaries, version, folder, port, account }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

function configure(data: string, settings: NonNullable<PostgresOptions['settings']>): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
  appendFileSync(join(data, 'postgresql.conf'), lines.join(''))
}

async function versionOf(binaries: string): Promise<string> {
  const { stdout } = await run(join(binaries, 'postgres'), ['--version'])
  return /\d[\w.]*/.exec(stdout)?.[0] ?? stdout.trim()
}

/** True once the server says so in its file: the first line is its pid, the eighth its state. A crash leaves the file of the one before. */
function ready(folder: string, pid: number): true | undefined {
  const file = join(folder, 'data/postmaster.pid')
  if (!existsSync(file)) return undefined
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready' ? true : undefined
}
