import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Refuses, while it is there, to start services: ours are private ones, and whoever has the machine did not ask for others. */
const servicePolicy = { path: '/usr/sbin/policy-rc.d', text: '#!/bin/sh\nexit 101\n' }

/** Tells Debian's PostgreSQL not to make a cluster of its own when it is installed. */
const clusterPolicy = {
  path: '/etc/postgresql-common/createcluster.d/jobferry.conf',
  text: 'create_main_cluster = false\n',
}

let turn: Promise<unknown> = Promise.resolve()

/**
 * Installs a package of Debian's, without starting a service. One at a time in this process; another one's are waited for, two minutes.
 * @throws Error if there is no apt, we are not root, or it fails
 */
export function install(name: string): Promise<void> {
  const installed = turn.then(() => installNow(name))
  turn = installed.catch(() => {}) // whoever asked for it is told
  return installed
}

async function installNow(name: string): Promise<void> {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    throw new Error(
      `The tests need ${name}. Install it, or run them once as root on a Debian or Ubuntu, where they install it.`,
    )
  console.log(`Installing ${name} for the tests …`)
  const policies = [servicePolicy, clusterPolicy].filter(({ path }) => !existsSync(path))
  try {
    for (const { path, text } of policies) {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text, { mode: 0o755 })
    }
    try {
      await apt('install', name)
    } catch {
      await apt('update') // no lists yet, or old ones
      await apt('install', name)
    }
  } finally {
    for (const { path } of policies) rmSync(path, { force: true })
  }
}

async function apt(...verb: readonly string[]): Promise<void> {
  await run(
    'apt-get',
    [
      '-y',
      '-q',
      '-o',
      'DPkg::Lock::Timeout=120',
      '-o',
      'Dpkg::Options::=--force-confold',
      ...verb,
      '--no-install-recommends',
    ],
    { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 64 * 1024 * 1024 },
  )
}
