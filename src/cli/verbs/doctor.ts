import { QueueError, StoreError } from '../../core/errors.ts'
import type { Finding } from '../../store.ts'
import { expectOurs, type Place, places, withStoreThere } from '../open-store.ts'
import { plain, table } from '../table.ts'
import type { Style } from '../terminal.ts'
import { type Call, type Verb, verb } from '../verb.ts'

const styles: Readonly<Record<Finding['level'], Style>> = { ok: 'green', warn: 'yellow', fail: 'red' }

export const doctor: Verb = verb({
  name: 'doctor',
  summary: 'Says what is in force in the store, and what is wrong with it. Changes nothing.',
  notes: 'Exit code 1 if a finding is a `fail`. As JSON: { "ok": …, "findings": […] }.',
  options: {},
  async run(call) {
    const { terminal } = call
    const findings = await examine(call)
    const ok = findings.every(({ level }) => level !== 'fail')
    if (terminal.json) terminal.give({ ok, findings })
    else {
      const rows = findings.map(({ name, level, message }) => [
        terminal.paint(styles[level], level),
        plain(name),
        plain(message),
      ])
      terminal.say(table(['LEVEL', 'WHAT', 'FINDING'], rows))
    }
    return ok ? 0 : 1
  },
})

/** A store that is not ours, or that refuses to be opened, is a finding; one that is not there at all is not. */
async function examine(call: Call): Promise<readonly Finding[]> {
  const found = await places(call)
  for (const place of found) if (place.peek?.kind === 'missing') expectOurs(place)
  const strange = found.flatMap(strangeness)
  if (strange.length > 0) return strange
  try {
    return await withStoreThere(call, (jobs) => jobs.report())
  } catch (error) {
    if (!(error instanceof QueueError)) throw error
    const refused = error instanceof StoreError && !error.retryable
    if (!refused && found.every(({ peek }) => peek === undefined)) throw error
    return [{ name: 'open', level: 'fail', message: call.terminal.safe(error.message) }]
  }
}

/** What is said of a file that is not to be opened by us: opening would put it into WAL mode. */
function strangeness(place: Place): readonly Finding[] {
  try {
    expectOurs(place)
    return []
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const tables = place.peek?.kind === 'file' ? place.peek.tables : []
    return [
      { name: 'schema', level: 'fail', message },
      ...(tables.length === 0 ? [] : [{ name: 'tables', level: 'ok', message: listed(tables) } as const]),
    ]
  }
}

function listed(tables: readonly string[]): string {
  return `it holds ${tables.slice(0, 5).join(', ')}${tables.length > 5 ? ` and ${tables.length - 5} more` : ''}`
}
