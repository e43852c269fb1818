import { UsageError } from '../core/errors.ts'
import { version } from '../version.ts'
import { helpText, overview } from './help-text.ts'
import { type Io, processIo } from './io.ts'
import { flag, parse, splitVerb } from './options.ts'
import { Terminal } from './terminal.ts'
import { expectVerb, globals, type Verb } from './verb.ts'
import { verbs } from './verbs.ts'

/**
 * Runs one command line, without the program's own name, and resolves to its exit code: 0 ok, 1 something failed, 2 a mistake in the call.
 *
 * Never rejects. A verb that imports modules of the user's ends the process itself, since they may keep it alive.
 */
export async function run(argv: readonly string[], io: Io = processIo()): Promise<number> {
  const terminal = new Terminal(io, argv)
  let verb: Verb | undefined
  let code: number
  try {
    const split = splitVerb(argv, globals)
    verb = split.verb === undefined ? undefined : expectVerb(verbs, split.verb)
    code = verb === undefined ? withoutVerb(argv, terminal) : await runVerb(verb, split.rest, terminal)
  } catch (error) {
    terminal.complain(error)
    code = error instanceof UsageError ? 2 : 1
  }
  const closed = await terminal.close(code)
  if (verb?.importing === true) io.exit(closed)
  return closed
}

async function runVerb(verb: Verb, argv: readonly string[], terminal: Terminal): Promise<number> {
  const result = await verb.run(argv, terminal)
  if (result !== 'help') return result
  terminal.say(helpText(verb))
  return 0
}

function withoutVerb(argv: readonly string[], terminal: Terminal): number {
  const { values } = parse(argv, { ...globals, version: flag('the version', 'v') }, 'jobferry')
  if (values.version !== undefined) {
    if (terminal.json) terminal.give({ version: version() })
    else terminal.say(version())
    return 0
  }
  if (values.help === undefined) throw new UsageError('Expected a verb. See jobferry help')
  terminal.say(overview(verbs))
  return 0
}
