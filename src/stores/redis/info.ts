import type { Link } from '../redis-client/link.ts'
import { toText } from './row.ts'
import { scripts } from './script.ts'

/** What the server says of itself, by name. */
export type Info = ReadonlyMap<string, string>

export async function info(link: Link, section: string): Promise<Info> {
  const text = toText(await link.run(scripts.info, [section]))
  return new Map(
    text.split(/\r?\n/).flatMap((line): [string, string][] => {
      const colon = line.indexOf(':')
      return line.startsWith('#') || colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]]
    }),
  )
}

/** The server's name and version: Valkey says 7.2.4 for Redis' sake, and its own beside it. */
export function versionOf(server: Info): { readonly name: string; readonly version: readonly number[] } {
  const valkey = server.get('valkey_version')
  const text = valkey ?? server.get('redis_version') ?? '0'
  const name = valkey === undefined ? 'Redis' : 'Valkey'
  return { name: `${name} ${text}`, version: (server.get('redis_version') ?? '0').split('.').map(Number) }
}

/** Whether a version is at least `major.minor`. */
export function atLeast([major = 0, minor = 0]: readonly number[], wantedMajor: number, wantedMinor: number): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}
