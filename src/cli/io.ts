/** The signals that end a verb which would otherwise go on. */
export type Signal = 'SIGINT' | 'SIGTERM'

/** The part of a stream that is written to. A write to a reader that has gone shows as an `error` event. */
export interface Output {
  readonly isTTY?: boolean
  /** The width of the terminal, if it is one. */
  readonly columns?: number
  write(text: string, done?: (error?: Error | null) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

export interface Signals {
  on(signal: Signal, listener: () => void): unknown
  off(signal: Signal, listener: () => void): unknown
}

/** All that the command line touches of the outside world, beside files and stores. A test gives its own. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array | string>
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** What paths on the command line are relative to; those of SQLite files are relative to the process's own. */
  readonly cwd: string
  readonly signals: Signals
  /** Ends the process, whatever still runs in it. */
  exit(code: number): void
}

/** This process. */
export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process
  return { stdin, stdout, stderr, env, cwd: process.cwd(), signals: process, exit: (code) => process.exit(code) }
}
