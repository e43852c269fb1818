import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { newFile } from '../sqlite/kit.ts'
import { type Liteq, newLiteq } from './kit.ts'
import type { Flavour } from './schema.ts'

/** What liteq itself has left in a file, and what its author says of each row. */
export interface Fixture {
  readonly name: string
  readonly flavour: Flavour
  /** In seconds. */
  readonly madeAt: number
  readonly rows: readonly Note[]
}

export interface Note {
  readonly id: number
  readonly queue: string
  readonly did: string
  readonly state: string
  readonly workable: boolean
}

function load(name: string, flavour: Flavour): Fixture {
  const text = readFileSync(join(import.meta.dirname, `../fixtures/liteq/${name}.json`), 'utf8')
  return { ...(JSON.parse(text) as Pick<Fixture, 'madeAt' | 'rows'>), name, flavour }
}

export const fixtures: readonly Fixture[] = [load('v0.1', 'raw'), load('ed648f2', 'scoped')]

/** A copy of the file, which may be worked. */
export function openFixture({ name, flavour }: Fixture): Liteq {
  const file = newFile()
  copyFileSync(join(import.meta.dirname, `../fixtures/liteq/${name}.db`), file)
  return newLiteq(flavour, file)
}
