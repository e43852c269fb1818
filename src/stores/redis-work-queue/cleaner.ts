import type { Instant } from '../../core/job.ts'
import type { Items } from './items.ts'
import { earliest } from './lister.ts'
import type { RedisWorkQueueSettings } from './options.ts'
import type { Row } from './row.ts'
import { Suspects } from './suspects.ts'

/**
 * The cleaner that runs as a part of a worker.
 *
 * Like the cleaners of other clients it puts back what nobody has the lease of, but not at once: they take and add items in two steps each.
 */
export class Cleaner {
  readonly #items: Items
  readonly #deepCleanMs: number | undefined
  readonly #abandoned: Suspects
  readonly #lost: Suspects
  #deepAt: Instant | undefined

  constructor(items: Items, { patienceMs, deepCleanMs }: RedisWorkQueueSettings) {
    this.#items = items
    this.#deepCleanMs = deepCleanMs
    this.#abandoned = new Suspects(patienceMs)
    this.#lost = new Suspects(patienceMs)
  }

  /** Items in `processing` that nobody has had the lease of for a while, and when to look again. Changes nothing. */
  async abandoned(
    now: Instant,
    limit: number,
  ): Promise<{ readonly rows: readonly Row[]; readonly nextAt: Instant | undefined }> {
    const { ids, firstEndsInMs } = await this.#items.abandoned()
    const { ripe, nextAt } = this.#abandoned.look(ids, now)
    const rows = await this.#items.rows(ripe.slice(0, limit))
    return { rows, nextAt: earliest(nextAt, firstEndsInMs === undefined ? undefined : now + firstEndsInMs) }
  }

  /**
   * Drops from `processing` what is no item; and, every so often, looks through all keys for items that are in neither list, and puts them back
   * when it has seen them so twice. Says how many.
   */
  async clean(now: Instant): Promise<number> {
    await this.#items.dropGhosts()
    if (this.#deepCleanMs === undefined || now < (this.#deepAt ?? 0)) return 0
    const { ripe } = this.#lost.look(await this.#items.astray(), now)
    const count = await this.#items.deepClean(ripe, true)
    this.#deepAt = this.#lost.size > ripe.length ? undefined : now + this.#deepCleanMs
    return count
  }
}
