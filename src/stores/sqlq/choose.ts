/** A job that could be taken. */
export interface Candidate {
  readonly id: string
  readonly queue: string
  readonly task: string
  /** The row's own keepalive_interval, in nanoseconds. */
  readonly keepalive: string
  /** How many more of its queue may run; `undefined` for any number. */
  readonly room: number | undefined
}

/** The first jobs, in order, as far as the limit, the room of each queue and the most of each task go. */
export function choose(
  candidates: readonly Candidate[],
  limit: number,
  tasks: ReadonlyMap<string, number> | undefined,
): readonly Candidate[] {
  const chosen: Candidate[] = []
  const inQueue = new Map<string, number>()
  const ofTask = new Map<string, number>()
  for (const candidate of candidates) {
    if (chosen.length >= limit) break
    const { queue, task, room } = candidate
    const [there, those] = [inQueue.get(queue) ?? 0, ofTask.get(task) ?? 0]
    if (there >= (room ?? Infinity) || those >= (tasks === undefined ? Infinity : (tasks.get(task) ?? 0))) continue
    inQueue.set(queue, there + 1)
    ofTask.set(task, those + 1)
    chosen.push(candidate)
  }
  return chosen
}
