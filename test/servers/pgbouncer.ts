import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { postgresAccount } from './account.ts'
import { install } from './apt.ts'
import { makeFolder } from './folder.ts'
import { freePort } from './port.ts'
import { Program } from './program.ts'
import { until } from './until.ts'

/** A pooler in front of a PostgreSQL server. */
export interface PgBouncer extends AsyncDisposable {
  /** The URL of the server, but through the pooler. */
  readonly url: string
}

/**
 * Starts PgBouncer in transaction mode in front of the server of a URL: each transaction is given one of at most `connections` (default 3)
 * to the server, another than the one before. Installed if it is not there. It ends with this process however that ends.
 * @throws Error with its last words if it does not start
 */
export async function startPgBouncer(target: string, { connections = 3 } = {}): Promise<PgBouncer> {
  const command = await pgBouncerCommand()
  const { hostname, port: targetPort, username } = new URL(target)
  const account = postgresAccount()
  const folder = makeFolder(tmpdir(), 'pgbouncer', account)
  const port = await freePort()
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: 'transaction',
    default_pool_size: connections,
    max_client_conn: 200,
    server_round_robin: 1,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]\n* = host=${hostname} port=${targetPort} user=${username}\n[pgbouncer]\n${lines.join('')}`,
    { mode: 0o644 },
  )
  const log = join(folder, 'log')
  const program = await Program.start({ command, args: [file], folder, account, log, deathSignal: 'SIGKILL' })
  const end = async (): Promise<void> => {
    await program.end('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await until('PgBouncer was ready', async () => {
      if (!program.running) throw new Error(`PgBouncer has not started:\n${program.lastWords}`)
      return (await taken(port)) ? true : undefined
    })
  } catch (error) {
    await end()
    throw error
  }
  return {
    url: Object.assign(new URL(target), { hostname: '127.0.0.1', port: String(port) }).href,
    [Symbol.asyncDispose]: end,
  }
}

/** PgBouncer, installed if it is not there. @throws Error if it cannot be */
export async function pgBouncerCommand(): Promise<string> {
  const command = '/usr/sbin/pgbouncer'
  if (!existsSync(command)) await install('pgbouncer')
  return command
}

/** Whether somebody takes connections there. */
async function taken(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
  } finally {
    socket.destroy()
  }
}
