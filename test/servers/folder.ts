import { chownSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

import type { Account } from './account.ts'
import { running } from './running.ts'

const dayMs = 86_400_000

/** Makes a new folder for a server, owned by its account and closed to others. `parent` must let that account through. */
export function makeFolder(parent: string, server: string, { uid, gid }: Account = {}): string {
  sweep(parent)
  const folder = mkdtempSync(join(parent, `jobferry-${server}-${process.pid}-`))
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  return folder
}

/** Removes what killed runs have left behind. Only what is a day old: elsewhere the numbers of the processes may be others. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^jobferry-(?:postgres|pgbouncer|redis)-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || running(Number(pid))) continue
    const path = join(parent, name)
    const madeAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    if (Date.now() - madeAt > dayMs) rmSync(path, { recursive: true, force: true })
  }
}
