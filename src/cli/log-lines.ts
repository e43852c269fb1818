import { expectOneOf } from '../core/expect.ts'
import type { Logger } from '../logger.ts'
import type { LogLevel } from '../store.ts'
import { plain } from './table.ts'
import { bytesToText, describe, type Paint, painter, type Style, type Terminal } from './terminal.ts'
import { exact } from './time.ts'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const

const styles: Readonly<Record<LogLevel, Style>> = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' }

/** A worker's lines: to stderr for people, with --json to stdout, one document each. Those below the level are left out. */
export function workerLog(terminal: Terminal, lowest: LogLevel): Logger {
  const paint = painter(terminal.io.stderr, terminal.io.env)
  const write =
    (level: LogLevel) =>
    (message: string, facts: object = {}): void => {
      if (logLevels.indexOf(level) < logLevels.indexOf(lowest)) return
      const at = Date.now()
      if (terminal.json) terminal.give({ at, level, message, ...withErrors(facts) })
      else terminal.note(`${logHead(at, level, paint)} ${plain(message)}${factsText(facts)}`)
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** How every log line begins: the exact time and the level. */
export function logHead(at: number, level: string, paint: Paint): string {
  const known = expectOneOf(level, 'level', logLevels)
  return `${paint('dim', exact(at))} ${paint(styles[known], known.padEnd(5))}`
}

/** `task=send-email ranMs=12`. */
function factsText(facts: object): string {
  return Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${factText(value)}`)
    .join('')
}

function factText(value: unknown): string {
  if (value instanceof Error) return plain(JSON.stringify(`${value.name}: ${value.message}`))
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return plain(value)
  return plain(JSON.stringify(value, bytesToText) ?? String(value))
}

/** An error is an empty object to JSON. */
function withErrors(facts: object): object {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]: [string, unknown]) =>
      value instanceof Error
        ? [name, { name: value.name, message: value.message, stack: describe(value) }]
        : [name, value],
    ),
  )
}
