/** What stands in place of names that came too late. */
export const other = '(other)'

/**
 * Bounds how many series there can be: the first so many pairs of queue and task have labels of their own, all later ones share one.
 *
 * Whoever makes a queue for each customer would otherwise make series without end, in this process and in the database of metrics.
 */
export class Seats {
  readonly #most: number
  readonly #taken = new Map<string, QueueAndTask>()

  constructor(most: number) {
    this.#most = most
  }

  of(queue: string, task: string): QueueAndTask {
    const key = `${queue}\0${task}`
    const known = this.#taken.get(key)
    if (known !== undefined) return known
    if (this.#taken.size >= this.#most) return shared
    const seat = { queue, task }
    this.#taken.set(key, seat)
    return seat
  }
}

/** Labels, as they are shown. */
export interface QueueAndTask {
  readonly queue: string
  readonly task: string
}

const shared: QueueAndTask = { queue: other, task: other }
