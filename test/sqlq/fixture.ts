import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Client } from 'pg'

import type { Columns } from './kit.ts'

/** What the original program has left, step by step: every row of its tables, every column as PostgreSQL prints it. */
export interface Step {
  readonly did: string
  readonly queues: readonly Columns[]
  readonly jobs: readonly Columns[]
  readonly logs: readonly Columns[]
}

interface Written {
  readonly steps: readonly { readonly did: string; readonly rows: Readonly<Record<string, readonly Columns[]>> }[]
}

function load(): readonly Step[] {
  const text = readFileSync(join(import.meta.dirname, '../fixtures/sqlq/sqlq-v17.json'), 'utf8')
  return (JSON.parse(text) as Written).steps.map(({ did, rows }) => ({
    did,
    queues: rows['sqlq.queues'] ?? [],
    jobs: rows['sqlq.jobs'] ?? [],
    logs: rows['sqlq.job_logs'] ?? [],
  }))
}

export const steps: readonly Step[] = load()

/** The one step that did this. */
export function stepOf(did: string): Step {
  const found = steps.filter((step) => step.did.startsWith(did))
  if (found.length !== 1) throw new Error(`${found.length} steps did "${did}"`)
  return found[0]!
}

/** The last row of a type in a step. */
export function rowOf({ jobs, did }: Step, typename: string): Columns {
  const found = jobs.findLast((row) => row['typename'] === typename)
  if (found === undefined) throw new Error(`There is no ${typename} in "${did}"`)
  return found
}

/** Puts rows in the tables as they were. */
export async function put(client: Client, { queues, jobs, logs }: Omit<Step, 'did'>): Promise<void> {
  await client.query('truncate sqlq.queues cascade')
  for (const [table, rows] of [
    ['sqlq.queues', queues],
    ['sqlq.jobs', jobs],
    ['sqlq.job_logs', logs],
  ] as const) {
    const [names, values]: [string[], unknown[]] = [
      Object.keys(rows[0] ?? {}),
      rows.flatMap((row) => Object.values(row)),
    ]
    const places = rows.map((_, i) => `(${names.map((__, n) => `$${i * names.length + n + 1}`).join(', ')})`)
    if (rows.length > 0)
      await client.query(`insert into ${table} (${names.join(', ')}) values ${places.join(', ')}`, values)
  }
}

/** Microseconds since 1970 of what PostgreSQL has printed in UTC. */
export function microseconds(text: string | null | undefined): bigint {
  const [, day, time, fraction = ''] = /^(\S+) (\S+?)(?:\.(\d+))?\+00$/.exec(text ?? '') ?? []
  return BigInt(Date.parse(`${day}T${time}Z`)) * 1_000n + BigInt(fraction.padEnd(6, '0'))
}

/** The same in whole milliseconds, rounded down, or up. */
export function millis(text: string | null | undefined): number {
  return Number(microseconds(text) / 1_000n)
}

export function millisUp(us: bigint): number {
  return Number((us + 999n) / 1_000n)
}

/** As PostgreSQL prints an instant in UTC. */
export function printed(at: number): string {
  return new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.?0*Z$/, '+00')
}
