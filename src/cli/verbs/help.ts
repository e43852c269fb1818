import { helpDocument, helpText, overview } from '../help-text.ts'
import { expectVerb, type Verb, verb } from '../verb.ts'

/** The verb that explains the others, and itself. */
export function makeHelp(others: readonly Verb[]): Verb {
  const help = verb({
    name: 'help',
    usage: '[verb]',
    words: [0, 1],
    summary: 'Says what jobferry can do, or how a verb is used.',
    options: {},
    run: ({ words: [name], terminal }) => {
      const verbs = [...others, help]
      const chosen = name === undefined ? undefined : expectVerb(verbs, name)
      if (terminal.json) terminal.give(chosen === undefined ? { verbs: verbs.map(helpDocument) } : helpDocument(chosen))
      else terminal.say(chosen === undefined ? overview(verbs) : helpText(chosen))
      return Promise.resolve(0)
    },
  })
  return help
}
