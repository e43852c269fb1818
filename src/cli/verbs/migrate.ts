import { expectOurs, places, withNewStore } from '../open-store.ts'
import { type Verb, verb } from '../verb.ts'

export const migrate: Verb = verb({
  name: 'migrate',
  summary: 'Makes the tables, or brings them up to date; makes the file if there is none.',
  notes: 'Safe at any time and from several processes. enqueue and work do the same by themselves.',
  options: {},
  async run(call) {
    const { terminal } = call
    const before = await places(call)
    await withNewStore(call, async () => {})
    const after = await places(call)
    for (const place of after) expectOurs(place)
    const stores = after.map(({ shown, peek }, i) => {
      const from = before[i]?.peek
      const was = from?.kind === 'file' ? from.version : 0
      const version = peek?.kind === 'file' ? peek.version : undefined
      return { url: shown, outcome: outcomeOf(was, version), version }
    })
    if (terminal.json) terminal.give({ stores })
    else
      for (const { url, outcome, version } of stores)
        terminal.say(`${url} ${outcome}${version === undefined ? '' : `, schema version ${version}`}`)
    return 0
  },
})

/** `ready` where only the store itself can tell what it had to do: everything but files of SQLite. */
function outcomeOf(was: number, version: number | undefined): 'made' | 'updated' | 'current' | 'ready' {
  if (version === undefined) return 'ready'
  if (was === version) return 'current'
  return was === 0 ? 'made' : 'updated'
}
