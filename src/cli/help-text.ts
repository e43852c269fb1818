import type { Options } from './options.ts'
import { globals, type Verb } from './verb.ts'

/** What `jobferry help` says. */
export function overview(verbs: readonly Verb[]): string {
  const width = Math.max(...verbs.map(({ name }) => name.length))
  return [
    'jobferry <verb> [options]',
    '',
    ...verbs.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'Options of every verb:',
    ...optionLines(globals),
    '  --version                       the version, in place of a verb',
    '',
    'A <duration> is 250ms, 5s, 1.5h, 7d, or a number of milliseconds; a <time> is 2026-11-21T08:00Z, or milliseconds',
    'since 1970. Exit codes: 0 ok, 1 something failed, 2 a mistake in the call. jobferry help <verb> says more.',
  ].join('\n')
}

/** What `jobferry help <verb>` says. */
export function helpText(verb: Verb): string {
  const { name, usage, summary, notes, options } = verb
  const lines = optionLines(options)
  return [
    `jobferry ${name}${usage === undefined ? '' : ` ${usage}`}${lines.length > 0 ? ' [options]' : ''}`,
    '',
    summary,
    ...(notes === undefined ? [] : [notes]),
    ...(lines.length > 0 ? ['', ...lines] : []),
  ].join('\n')
}

/** The same for programs. */
export function helpDocument({ name, usage, summary, notes, options }: Verb): object {
  const described = Object.entries({ ...options, ...globals }).map(([option, { kind, hint, says }]) => ({
    name: option,
    kind,
    hint,
    says,
  }))
  return { name, usage, summary, notes, options: described }
}

function optionLines(options: Options): readonly string[] {
  return Object.entries(options).map(([name, { hint, says, short }]) => {
    const form = `${short === undefined ? '' : `-${short}, `}--${name}${hint === '' ? '' : ` ${hint}`}`
    return form.length > 30 ? `  ${form}\n${' '.repeat(34)}${says}` : `  ${form.padEnd(30)}  ${says}`
  })
}
