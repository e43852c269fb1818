import type { Instant } from '../../core/job.ts'
import { numberArray } from '../pg/array.ts'
import type { Lane } from './lanes.ts'

/** So many entries of the index read in vain say that the head of a lane is full of what is dead. */
const mostInVain = 2_000

/** The looks from the very beginning may take one part in so many of the time. */
const patience = 20

/** What a claim tells of its looking. */
export interface Look {
  /** Entries of the index that were read in vain. */
  readonly inVain: number
  /** How long it took, in microseconds. */
  readonly us: number
  readonly now: Instant
}

/**
 * Where claims begin to look.
 *
 * Normally at the head of each lane. But rows that were taken cannot be removed from the index while a transaction elsewhere, however
 * idle, could still see them; every claim would then wade through all that was taken since that transaction began. So when much was
 * read in vain, claims begin where the last ended, and look from the very beginning only now and then: seldom enough not to be felt,
 * often enough that a job put in behind is not passed over for long. See docs/decisions/008-long-transactions.md.
 */
export class Heads {
  readonly #at = new Map<Lane, Instant>()
  #nextWholeAt: Instant | undefined

  /** When the next look from the very beginning is due, while there is need for any other. */
  get nextWholeAt(): Instant | undefined {
    return this.#nextWholeAt
  }

  /** The lanes with the instants to begin at; nothing for a look from the very beginning. */
  from(now: Instant): readonly [lanes: string | null, ats: string | null] {
    if (this.#nextWholeAt === undefined || now >= this.#nextWholeAt) return [null, null]
    return [numberArray([...this.#at.keys()].map(({ id }) => id)), numberArray([...this.#at.values()])]
  }

  /** A claim has taken this job as the last of its lane. */
  took(lane: Lane, runAt: Instant): void {
    this.#at.set(lane, runAt)
  }

  /** A claim has looked from the very beginning. */
  looked({ inVain, us, now }: Look): void {
    this.#nextWholeAt = inVain < mostInVain ? undefined : now + Math.ceil((us / 1_000) * patience)
  }
}
