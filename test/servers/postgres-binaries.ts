import { existsSync, globSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { install } from './apt.ts'

/**
 * The folder with PostgreSQL's programs: the one that JOBFERRY_POSTGRES_BIN names, or the newest that Debian's packages have put on this
 * machine, up to a version (15, say) if one is given. Where there are none they are installed, which takes half a minute.
 * @throws Error if JOBFERRY_POSTGRES_BIN names a folder without them, or if they cannot be installed
 */
export async function postgresBinaries({ upTo = Infinity } = {}): Promise<string> {
  const named = process.env['JOBFERRY_POSTGRES_BIN']
  if (named !== undefined && named !== '') return checked(resolve(named))
  const found = newest(upTo)
  if (found !== undefined) return found
  await install('postgresql')
  const installed = newest(upTo)
  if (installed === undefined) throw new Error(`Debian's PostgreSQL is newer than ${upTo}, the newest wanted`)
  return installed
}

function checked(folder: string): string {
  if (complete(folder)) return folder
  throw new Error(`Expected JOBFERRY_POSTGRES_BIN to name a folder with initdb and postgres, got ${folder}`)
}

function newest(upTo: number): string | undefined {
  return globSync('/usr/lib/postgresql/*/bin')
    .map((folder) => ({ folder, version: Number(folder.split('/').at(-2)) }))
    .filter(({ folder, version }) => version <= upTo && complete(folder))
    .toSorted((a, b) => b.version - a.version)[0]?.folder
}

/** Its clients alone may be there without the server. */
function complete(folder: string): boolean {
  return ['initdb', 'postgres'].every((program) => existsSync(join(folder, program)))
}
