import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

/**
 * Installs the peers into bench/node_modules unless they are there already, as the lock file now has them. Says why if that did not work.
 *
 * None of them is compiled and no install script runs: better-sqlite3 13 brings its binaries along.
 */
export function installPeers(limitMs: number): string | undefined {
  const folder = import.meta.dirname
  const changedAt = (file: string): number => statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (changedAt('node_modules/.package-lock.json') >= changedAt('package-lock.json')) return undefined
  console.error('Installing the peers into bench/node_modules …')
  const { status, error, stderr } = spawnSync(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder],
    {
      encoding: 'utf8',
      timeout: limitMs,
      env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` },
      shell: process.platform === 'win32',
    },
  )
  if (status === 0) return undefined
  const said = stderr?.split('\n').find((line) => /error/i.test(line))
  return error?.message ?? said ?? `npm ci ended with ${status}`
}
