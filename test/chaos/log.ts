import { existsSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import type { Role } from './plan.ts'

/** A file of JSON lines, each appended by one write: what was written survives a SIGKILL of the writer. */
export class Log {
  readonly #fd: number

  constructor(file: string) {
    this.#fd = openSync(file, 'a')
    writeSync(this.#fd, '\n') // whoever wrote before may have died in the middle of a line
  }

  write(entry: object): void {
    writeSync(this.#fd, `${JSON.stringify(entry)}\n`)
  }
}

/** All whole lines of all who had this role. */
export function* readLogs(dir: string, role: Role): Generator<object> {
  for (const name of readdirSync(dir)) if (name.startsWith(`${role}-`)) yield* readLog(join(dir, name))
}

/** All whole lines of a log. */
export function readLog(file: string): readonly object[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8').split('\n').flatMap(parse)
}

function parse(line: string): readonly object[] {
  try {
    return line === '' ? [] : [JSON.parse(line) as object]
  } catch {
    return [] // torn by a kill
  }
}
