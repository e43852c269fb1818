import { execFileSync } from 'node:child_process'

/** The account under which a server runs. Empty: our own. */
export interface Account {
  readonly uid?: number
  readonly gid?: number
}

/**
 * The account for PostgreSQL, which refuses to run as root: our own, or else that of the user `postgres`, who is made if there is none.
 */
export function postgresAccount(): Account {
  if (process.getuid?.() !== 0) return {}
  return find() ?? make()
}

function find(): Account | undefined {
  try {
    return { uid: ask('-u'), gid: ask('-g') }
  } catch {
    return undefined // no such user
  }
}

function make(): Account {
  execFileSync('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'])
  return { uid: ask('-u'), gid: ask('-g') }
}

function ask(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
}
