import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'

import { UsageError } from '../core/errors.ts'
import type { Io } from './io.ts'

/** A payload as it is given on the command line: JSON, `@` and a file with JSON, or `-` for JSON on stdin. @throws UsageError */
export async function readPayload(given: string, io: Io): Promise<unknown> {
  if (given === '-') return fromJson(await text(io.stdin), 'stdin')
  if (given.startsWith('@')) return fromJson(await fromFile(resolve(io.cwd, given.slice(1)), given), given)
  return fromJson(given, 'the payload')
}

async function fromFile(path: string, given: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new UsageError(`Could not read ${given}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

function fromJson(json: string, where: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const hint = /^[\p{L}]/u.test(json) ? '. A text needs its quotes: \'"like this"\'' : ''
    throw new UsageError(`Expected ${where} to be JSON: ${why}${hint}`, { cause })
  }
}
