import { setTimeout as wait } from 'node:timers/promises'
import { styleText } from 'node:util'

import type { Io, Output } from './io.ts'
import { plain } from './table.ts'
import { hasSecret, hideSecrets } from '../secrets.ts'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string

/**
 * Where a verb speaks: results on stdout, everything else on stderr.
 *
 * A reader of stdout that goes away (`| head`) is no error: what is said from then on is dropped, and verbs that would go on are
 * interrupted. Nothing on stderr shows a password of a URL on the command line or in `JOBFERRY_URL`.
 */
export class Terminal {
  readonly io: Io
  /** Whether results are JSON: one document, or one to a line. */
  readonly json: boolean
  readonly paint: Paint
  readonly #debug: boolean
  readonly #urls: readonly string[]
  readonly #end = new AbortController()
  #listens = false
  #gone = false
  #failure: Error | undefined
  readonly #interrupt = (): void => this.#end.abort()

  constructor(io: Io, argv: readonly string[]) {
    const options = new Set(argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length))
    this.io = io
    this.json = options.has('--json')
    this.#debug = options.has('--debug')
    this.#urls = [...argv.map((one) => one.replace(/^--url=/, '')), io.env['JOBFERRY_URL'] ?? ''].filter(hasSecret)
    this.paint = painter(io.stdout, io.env)
    io.stdout.on('error', (error) => this.#outputFailed(error))
    io.stderr.on('error', () => undefined) // nobody reads what is said beside the results: so be it
  }

  /** A line, or several, of the result. */
  say(text: string): void {
    this.write(`${text}\n`)
  }

  /** A JSON document on a line of its own. Bytes become `{ "base64": … }`. */
  give(document: unknown): void {
    this.say(JSON.stringify(document, bytesToText))
  }

  write(text: string): void {
    if (!this.#gone) this.io.stdout.write(text)
  }

  /** One line on stderr, for people; with --debug and an error, its stack below. */
  complain(problem: unknown): void {
    const message = problem instanceof Error ? problem.message || problem.name : String(problem)
    this.note(`jobferry: ${plain(message.trim())}`)
    if (this.#debug && problem instanceof Error) this.note(describe(problem))
  }

  /** A line on stderr as it is. */
  note(line: string): void {
    this.io.stderr.write(`${this.safe(line)}\n`)
  }

  /** The text without the secrets of the URLs on the command line and in `JOBFERRY_URL`. */
  safe(text: string): string {
    return hideSecrets(text, this.#urls)
  }

  /** The width to fit tables into; `undefined` unless people look at it. */
  get width(): number | undefined {
    return this.io.stdout.isTTY === true ? this.io.stdout.columns : undefined
  }

  /**
   * For a verb that goes on: from now on SIGINT and SIGTERM abort the signal given, and do not end the process. So does a stdout that
   * nobody reads any more.
   */
  interruptible(): AbortSignal {
    if (!this.#listens) {
      this.#listens = true
      this.io.signals.on('SIGINT', this.#interrupt)
      this.io.signals.on('SIGTERM', this.#interrupt)
    }
    return this.#end.signal
  }

  /** Waits until all is written, lets go of the signals, and gives the exit code: 1 instead of 0 if stdout could not be written. */
  async close(code: number): Promise<number> {
    this.io.signals.off('SIGINT', this.#interrupt)
    this.io.signals.off('SIGTERM', this.#interrupt)
    await Promise.all([flushed(this.io.stdout), flushed(this.io.stderr)])
    if (this.#failure === undefined) return code
    this.complain(`stdout could not be written: ${this.#failure.message}`)
    return code === 0 ? 1 : code
  }

  #outputFailed(error: Error & { readonly code?: unknown }): void {
    this.#gone = true
    if (error.code !== 'EPIPE') this.#failure ??= error
    this.#end.abort()
  }
}

/** Colours, if people look at this stream and have not asked for none (no-color.org). */
export function painter(output: Output, env: Io['env']): Paint {
  const colours = output.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return colours ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text
}

/** Waits, but not beyond an interruption. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined) // rejects only when aborted
}

/** An error's stack with those of its causes. */
export function describe(error: Error): string {
  const own = error.stack ?? `${error.name}: ${error.message}`
  return error.cause instanceof Error ? `${own}\ncaused by ${describe(error.cause)}` : own
}

/** For `JSON.stringify`, which makes an object of numbered properties out of bytes. */
export function bytesToText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value
}

/** A stream that has failed says so through its `error` event; here it is only over. */
function flushed(output: Output): Promise<void> {
  return new Promise((resolve) => {
    output.write('', () => resolve())
  })
}
