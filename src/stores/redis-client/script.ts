import { createHash } from 'node:crypto'

/** A script by its text, and by the digest under which a server that has seen it knows it. */
export interface Script {
  readonly name: string
  readonly text: string
  readonly digest: string
}

export function script(name: string, lua: string): Script {
  const text = `-- jobferry ${name}\n${lua.trim()}\n`
  return { name, text, digest: createHash('sha1').update(text).digest('hex') }
}
