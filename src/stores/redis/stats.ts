import { type Instant, type State, states } from '../../core/job.ts'
import { defaultQueueSettings, type QueueSettings, type QueueStats } from '../../store.ts'
import { fromLane, toList, toOptionalNumber, toText, unescape } from './row.ts'

interface LaneStats {
  readonly task: string
  readonly counts: Record<State, number>
  readonly nextRunAt: Instant | undefined
}

/** Every queue with its counts: sums over its lanes, whose sets know their sizes. */
export function toQueueStats(reply: unknown): readonly QueueStats[] {
  const [settings, lanes] = toList(reply)
  const queues = toSettings(settings)
  const ofQueue = new Map<string, LaneStats[]>()
  for (const entry of toList(lanes)) {
    const [name, pending, running, completed, failed, cancelled, nextRunAt] = toList(entry)
    const { queue, task } = fromLane(toText(name))
    const lane = {
      task,
      counts: {
        pending: Number(pending),
        running: Number(running),
        completed: Number(completed),
        failed: Number(failed),
        cancelled: Number(cancelled),
      },
      nextRunAt: toOptionalNumber(toText(nextRunAt)),
    }
    const known = ofQueue.get(queue)
    if (known === undefined) ofQueue.set(queue, [lane])
    else known.push(lane)
  }
  const names = new Set([...queues.keys(), ...ofQueue.keys()])
  return [...names]
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((queue) => {
      const own = ofQueue.get(queue) ?? []
      const tasks = [...new Set(own.map(({ task }) => task))].toSorted((a, b) => (a < b ? -1 : 1))
      const nexts = own.flatMap(({ nextRunAt }) => nextRunAt ?? [])
      return {
        queue,
        ...(queues.get(queue) ?? defaultQueueSettings),
        counts: sum(own),
        tasks: Object.fromEntries(tasks.map((task) => [task, sum(own.filter((lane) => lane.task === task))])),
        nextRunAt: nexts.length === 0 ? undefined : nexts.reduce((a, b) => Math.min(a, b)),
      }
    })
}

/** From the hash: queue, then `paused:concurrency:priority`. */
function toSettings(reply: unknown): ReadonlyMap<string, QueueSettings> {
  const texts = toList(reply).map(toText)
  const settings = new Map<string, QueueSettings>()
  for (let i = 0; i < texts.length; i += 2) {
    const [paused, concurrency = '', priority] = (texts[i + 1] ?? '').split(':')
    settings.set(unescape(texts[i] ?? ''), {
      paused: paused === '1',
      concurrency: toOptionalNumber(concurrency) ?? null,
      priority: Number(priority),
    })
  }
  return settings
}

function sum(lanes: readonly LaneStats[]): Record<State, number> {
  const counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
  for (const lane of lanes) for (const state of states) counts[state] += lane.counts[state]
  return counts
}
