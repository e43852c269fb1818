import { readFileSync } from 'node:fs'

let read: string | undefined

/** The version of this jobferry, from the package's own package.json, which lies equally far from the sources and from what is built of them. */
export function version(): string {
  return (read ??= readVersion())
}

/** A program that was bundled into one file has no package.json of ours beside it. */
function readVersion(): string {
  try {
    const own: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    return typeof own === 'object' && own !== null && 'version' in own ? String(own.version) : 'unknown'
  } catch {
    return 'unknown'
  }
}
