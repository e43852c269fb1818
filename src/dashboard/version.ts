import { readFileSync } from 'node:fs'

let known: string | undefined

/** This package's own, from its package.json, which lies equally far from the sources and from what is built of them. */
export function version(): string {
  return (known ??= read())
}

function read(): string {
  const own: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return typeof own === 'object' && own !== null && 'version' in own ? String(own.version) : 'unknown'
}
