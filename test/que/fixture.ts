import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Client } from 'pg'

import type { Columns } from './kit.ts'
import type { QueVersion } from './schema.ts'

/** What an original program has left, step by step: every row of its tables, every column as PostgreSQL prints it. */
export interface Fixture {
  readonly name: string
  readonly version: QueVersion
  readonly steps: readonly Step[]
}

export interface Step {
  readonly did: string
  readonly jobs: readonly Columns[]
  readonly lockers: readonly Columns[]
  readonly locks: readonly Columns[] | undefined
}

interface Written {
  readonly steps: readonly { readonly did: string; readonly rows: Readonly<Record<string, readonly Columns[]>> }[]
}

function load(name: string, version: QueVersion): Fixture {
  const text = readFileSync(join(import.meta.dirname, `../fixtures/que/${name}.json`), 'utf8')
  const { steps } = JSON.parse(text) as Written
  return {
    name,
    version,
    steps: steps.map(({ did, rows }) => ({
      did,
      jobs: rows['que_jobs'] ?? [],
      lockers: rows['que_lockers'] ?? [],
      locks: rows['pg_locks'],
    })),
  }
}

export const fixtures: readonly Fixture[] = [
  load('que-go-v3', 3),
  load('ruby-que-0.14-v3', 3),
  load('ruby-que-1.4-v5', 5),
  load('ruby-que-2.4-v7', 7),
]

/** The one step that did this. */
export function stepOf({ name, steps }: Fixture, did: string | RegExp): Step {
  const found = steps.find((step) => (typeof did === 'string' ? step.did.includes(did) : did.test(step.did)))
  if (found === undefined) throw new Error(`${name} has no step "${String(did)}"`)
  return found
}

/** Puts rows in the table as they were, without a word to anybody. */
export async function put(client: Client, rows: readonly Columns[]): Promise<void> {
  await client.query('truncate que_jobs')
  for (const row of rows) {
    const names = Object.keys(row)
    const places = names.map((_, i) => `$${i + 1}`)
    await client.query(`insert into que_jobs (${names.join(', ')}) values (${places.join(', ')})`, Object.values(row))
  }
}

export function idOf(row: Columns): string {
  return row['id'] ?? row['job_id'] ?? ''
}

/** Microseconds since 1970 of what PostgreSQL has printed in UTC. */
export function microseconds(printed: string | null | undefined): bigint {
  const [, day, time, fraction = ''] = /^(\S+) (\S+?)(?:\.(\d+))?\+00$/.exec(printed ?? '') ?? []
  return BigInt(Date.parse(`${day}T${time}Z`)) * 1_000n + BigInt(fraction.padEnd(6, '0'))
}
