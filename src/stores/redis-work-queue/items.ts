import { StoreError } from '../../core/errors.ts'
import type { Script } from '../redis-client/script.ts'
import type { Link } from '../redis-client/link.ts'
import { fromId, toId } from './bytes.ts'
import { type Row, toBytes, toList, toRow, toRows, toText } from './row.ts'
import { scripts } from './script.ts'

/** A change of one item, and the lease under which it is decided: see `scripts/exchange.ts`. */
export interface Change {
  readonly what: 'end' | 'back' | 'wait' | 'clean' | 'remove' | 'put' | 'due'
  readonly id: string
  readonly lease?: string
  readonly text?: string | Buffer
  readonly ms?: number
}

/** Items to add, and data for some that wait, all or none. */
export interface Addition {
  readonly edits: readonly { readonly id: string; readonly data: Buffer }[]
  readonly items: readonly { readonly taken: 'keep' | 'refuse' | 'fail'; readonly id: string; readonly data: Buffer }[]
}

/** What to take: for how long, under which lease, at most how many; before it, items whose next run is due are put back. */
export interface Taking {
  readonly lease: string
  readonly ms: number
  readonly limit: number
  readonly due: readonly string[]
}

/** Which changes were made, what was taken, and whether nothing is left in the queue. */
export interface Exchanged {
  readonly made: readonly boolean[]
  readonly taken: readonly { readonly id: string; readonly data: Buffer }[]
  readonly empty: boolean
}

/** How many ids a script is given at a time: others must get a turn. */
const step = 500

/** The items of a queue. Every call is one script, except where it goes through more than a script may hold. */
export class Items {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  /** For each addition, whether it was stored; for each of its items, who has its id. */
  async add(
    additions: readonly Addition[],
  ): Promise<readonly { readonly ok: boolean; readonly holders: readonly (Row | undefined)[] }[]> {
    return toList(await this.#link.run(scripts.add, toAddArguments(additions))).map((answer) => {
      const [ok, ...items] = toList(answer)
      return { ok: ok === 1, holders: items.map((item) => (item === 1 ? undefined : toRow(item))) }
    })
  }

  async addUnique(items: readonly { readonly id: string; readonly data: Buffer }[]): Promise<void> {
    await this.#link.run(
      scripts.addUnique,
      items.flatMap(({ id, data }) => [fromId(id), data]),
    )
  }

  /** Makes changes, then takes items; says which changes were made, what was taken, and whether nothing is left in the queue. */
  async exchange(changes: readonly Change[], { lease, ms, limit, due }: Taking): Promise<Exchanged> {
    const args = [
      String(changes.length),
      ...changes.flatMap((one) => [
        one.what,
        fromId(one.id),
        one.lease ?? '',
        one.text ?? '',
        String(Math.ceil(one.ms ?? 0)),
      ]),
      lease,
      String(Math.max(1, Math.ceil(ms))),
      String(limit),
      ...due.map(fromId),
    ]
    const [made, taken, empty] = toList(await this.#link.run(scripts.exchange, args))
    const texts = toList(taken).map(toBytes)
    const items = texts.flatMap((id, i) => {
      const data = i % 2 === 0 ? texts[i + 1] : undefined
      return data === undefined ? [] : [{ id: toId(id), data }]
    })
    return { made: toList(made).map((one) => one === 1), taken: items, empty: empty === 1 }
  }

  async change(changes: readonly Change[]): Promise<readonly boolean[]> {
    if (changes.length === 0) return []
    return (await this.exchange(changes, nothing)).made
  }

  /** Says which leases are still held. */
  async renew(
    leases: readonly { readonly id: string; readonly lease: string }[],
    ms: number,
  ): Promise<readonly boolean[]> {
    if (leases.length === 0) return []
    const args = [String(Math.max(1, Math.ceil(ms))), ...leases.flatMap(({ id, lease }) => [fromId(id), lease])]
    return toList(await this.#link.run(scripts.renew, args)).map((one) => one === 1)
  }

  /**
   * @param lease only if it is still held; '' for whoever has the item
   * @throws StoreError when an answer was lost, and nobody can say who has completed it
   */
  async complete(id: string, lease: string): Promise<boolean> {
    const answer = await this.#link.run(scripts.complete, [fromId(id), lease])
    if (answer !== 2) return answer === 1
    throw new StoreError('The connection was lost; the item is completed, by this call or another', {
      retryable: false,
    })
  }

  async get(ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    if (ids.length === 0) return []
    return toList(await this.#link.run(scripts.get, ids.map(fromId))).map(toRow)
  }

  /** A page that goes on behind the first of `after` that is still there. */
  async list(
    order: 'newest' | 'oldest',
    onlyProcessing: boolean,
    limit: number,
    after: readonly string[],
  ): Promise<readonly Row[]> {
    const args = [order, onlyProcessing ? '1' : '0', String(limit), ...after.map(fromId)]
    return toRows(await this.#link.run(scripts.list, args))
  }

  async counts(): Promise<{
    readonly waiting: number
    readonly next: string | undefined
    readonly held: readonly Pick<Row, 'id' | 'lease' | 'leftMs'>[]
  }> {
    const [waiting, next, held] = toList(await this.#link.run(scripts.counts, []))
    return {
      waiting: Number(waiting),
      next: Number(waiting) === 0 ? undefined : toId(toBytes(next)),
      held: toList(held).map((one) => {
        const [id, lease, leftMs] = toList(one)
        return { id: toId(toBytes(id)), lease: toText(lease), leftMs: Math.max(0, Number(leftMs)) }
      }),
    }
  }

  /** How many ids wait in the queue, and how many are being worked on, as every client counts them. */
  async lengths(): Promise<{ readonly queueLen: number; readonly processing: number }> {
    const [queueLen, processing] = toList(await this.#link.run(scripts.lengths, [])).map(Number)
    return { queueLen: queueLen ?? 0, processing: processing ?? 0 }
  }

  /** Milliseconds since 1970 by the server's clock. */
  async time(): Promise<number> {
    const [seconds, microseconds] = toList(await this.#link.run(scripts.time, [])).map(Number)
    return (seconds ?? 0) * 1_000 + Math.floor((microseconds ?? 0) / 1_000)
  }

  /** The ids in `processing` without a lease, the oldest first, and how long the lease that ends first has left. */
  async abandoned(): Promise<{ readonly ids: readonly string[]; readonly firstEndsInMs: number | undefined }> {
    const [ids, first] = toList(await this.#link.run(scripts.abandoned, []))
    return {
      ids: toList(ids).map((id) => toId(toBytes(id))),
      firstEndsInMs: Number(first) < 0 ? undefined : Number(first),
    }
  }

  /** Those of the ids that are items without a lease. */
  async rows(ids: readonly string[]): Promise<readonly Row[]> {
    return ids.length === 0 ? [] : toRows(await this.#link.run(scripts.rows, ids.map(fromId)))
  }

  /** What nobody has the lease of goes from `processing` back to the queue, or away if it is no item. Says how many went back. */
  async lightClean(): Promise<number> {
    return await this.#inSteps(scripts.light, (await this.abandoned()).ids)
  }

  /** Ids that are no items leave `processing`. */
  async dropGhosts(): Promise<void> {
    await this.#inSteps(scripts.drop, (await this.abandoned()).ids)
  }

  /** The ids of items that nobody has the lease of, and that do not wait: those in `processing`, and those in neither list. */
  async astray(): Promise<readonly string[]> {
    const waiting = await this.#waiting()
    const found = new Set<string>()
    let cursor = '0'
    do {
      const [next, ids] = toList(await this.#link.run(scripts.scan, [cursor, itemPattern(this.#link)]))
      for (const id of toList(ids).map((one) => toId(toBytes(one)))) if (!waiting.has(id)) found.add(id)
      cursor = toText(next)
    } while (cursor !== '0')
    return [...found]
  }

  /** Puts back those of the ids that are still astray; says how many. @param onlyLost leaves out those in `processing` */
  async deepClean(ids: readonly string[], onlyLost: boolean): Promise<number> {
    return await this.#inSteps(scripts.deep, ids, [onlyLost ? '1' : '0'])
  }

  async #inSteps(script: Script, ids: readonly string[], before: readonly string[] = []): Promise<number> {
    let count = 0
    for (let from = 0; from < ids.length; from += step)
      count += Number(await this.#link.run(script, [...before, ...ids.slice(from, from + step).map(fromId)]))
    return count
  }

  /** Every id that waits, and perhaps some that have just been taken: the queue moves while it is read, from its right end. */
  async #waiting(): Promise<ReadonlySet<string>> {
    const ids = new Set<string>()
    for (let from = 0; ; from += 10_000) {
      const some = await this.#link.command('LRANGE', [
        `${this.#link.namespace}:queue`,
        String(from),
        String(from + 9_999),
      ])
      for (const id of toList(some)) ids.add(toId(toBytes(id)))
      if (toList(some).length < 10_000) return ids
    }
  }
}

const nothing: Taking = { lease: '', ms: 1, limit: 0, due: [] }

/** What the script `add` is given. */
export function toAddArguments(additions: readonly Addition[]): (string | Buffer)[] {
  return additions.flatMap(({ edits, items }) => [
    String(edits.length),
    String(items.length),
    ...edits.flatMap(({ id, data }) => [fromId(id), data]),
    ...items.flatMap(({ taken, id, data }) => [taken, fromId(id), data]),
  ])
}

/** The keys of items, and no others: what a prefix has of a pattern's signs is meant to the letter. */
function itemPattern({ wire, namespace }: Link): string {
  return `${`${wire.keyPrefix}${namespace}`.replaceAll(/[\\*?[\]]/g, String.raw`\$&`)}:item:*`
}
