import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Keys } from './kit.ts'

/** What a client of redis-work-queue has done, the commands it has sent for it, and every key afterwards, without the prefix. */
export interface Step {
  readonly client: 'python' | 'node' | 'go' | 'none'
  readonly step: string
  readonly did: string
  readonly returned: unknown
  readonly commands: readonly (readonly Argument[])[]
  readonly before: Keys
  readonly keys: Keys
}

type Argument = string | { readonly base64: string }

interface Written {
  readonly prefixes: Readonly<Record<string, string>>
  readonly steps: readonly {
    readonly client: Step['client']
    readonly prefix?: string
    readonly step: string
    readonly did: string
    readonly returned?: unknown
    readonly commands: Step['commands']
    readonly keys: Keys
  }[]
}

export const clients = ['python', 'node', 'go'] as const

/** The steps of each client, in order, from an empty server on. */
export const steps: Readonly<Record<(typeof clients)[number], readonly Step[]>> = {
  python: load('python'),
  node: load('node'),
  go: load('go'),
}

function load(client: (typeof clients)[number]): readonly Step[] {
  const path = join(import.meta.dirname, '../fixtures/redis-work-queue/0.3.json')
  const { prefixes, steps: all } = JSON.parse(readFileSync(path, 'utf8')) as Written
  const prefix = prefixes[client]!
  let before: Keys = {}
  return all
    .filter((step) => step.client === client || step.prefix === prefix)
    .map((step) => {
      const keys = Object.fromEntries(Object.entries(step.keys).map(([name, key]) => [name.slice(prefix.length), key]))
      const one = { ...step, returned: step.returned, before, keys }
      before = keys
      return one
    })
}

/** An argument of a command, as bytes. */
export function toBytes(argument: Argument | undefined): Buffer {
  return typeof argument === 'object' ? Buffer.from(argument.base64, 'base64') : Buffer.from(argument ?? '')
}

export function toText(argument: Argument | undefined): string {
  return toBytes(argument).toString()
}
