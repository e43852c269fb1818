import { EventEmitter } from 'node:events'
import { Readable, Writable } from 'node:stream'

import { run } from '../../src/cli/run.ts'

/** What a command line came to. */
export interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs the command line `jobferry` in this process, on the store of a URL. */
export async function cli(url: string, ...argv: readonly string[]): Promise<Ended> {
  const [stdout, stderr] = [new Capture(), new Capture()]
  const env = { JOBFERRY_URL: url }
  const io = { stdin: Readable.from(['']), stdout, stderr, env, cwd: '/', signals: new EventEmitter(), exit: () => {} }
  return { code: await run(argv, io), out: stdout.text, err: stderr.text }
}

class Capture extends Writable {
  readonly isTTY = false
  readonly columns = 100
  text = ''
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += String(chunk)
    done()
  }
}
