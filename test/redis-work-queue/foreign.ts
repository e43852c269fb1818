import type { Redis } from 'ioredis'

/**
 * A client of redis-work-queue (protocol 0.3), in the plain commands that its own send, one after the other. As Go does it: no MULTI, so that
 * others can come between any two.
 */
export class ForeignClient {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #session: string

  constructor(redis: Redis, prefix: string, session: string) {
    this.#redis = redis
    this.#prefix = prefix
    this.#session = session
  }

  async addItem(id: string, data: string | Buffer): Promise<boolean> {
    if ((await this.#redis.setnx(this.#item(id), data)) === 0) return false
    await this.#redis.lpush(`${this.#prefix}:queue`, id)
    return true
  }

  async addUniqueItem(id: string, data: string | Buffer): Promise<void> {
    await this.#redis.set(this.#item(id), data)
    await this.#redis.lpush(`${this.#prefix}:queue`, id)
  }

  /** The first step of a lease: from now on the id is ours, but nobody can see it. */
  async pop(): Promise<string | null> {
    return await this.#redis.rpoplpush(`${this.#prefix}:queue`, `${this.#prefix}:processing`)
  }

  /** The other steps. */
  async sign(id: string, seconds: number): Promise<Buffer | null> {
    const data = await this.#redis.getBuffer(this.#item(id))
    if (data === null) return null
    await this.#redis.setex(this.#lease(id), seconds, this.#session)
    return data
  }

  async lease(seconds: number): Promise<{ readonly id: string; readonly data: Buffer } | undefined> {
    const id = await this.pop()
    if (id === null) return undefined
    const data = await this.sign(id, seconds)
    return data === null ? undefined : { id, data }
  }

  async complete(id: string): Promise<boolean> {
    const deleted = await this.#redis.del(this.#item(id))
    await this.#redis.lrem(`${this.#prefix}:processing`, 0, id)
    await this.#redis.del(this.#lease(id))
    return deleted !== 0
  }

  async lightClean(): Promise<void> {
    for (const id of await this.#redis.lrange(`${this.#prefix}:processing`, 0, -1)) {
      if ((await this.#redis.exists(this.#lease(id))) === 1) continue
      const there = await this.#redis.exists(this.#item(id))
      await this.#redis.lrem(`${this.#prefix}:processing`, 0, id)
      if (there === 1) await this.#redis.lpush(`${this.#prefix}:queue`, id)
    }
  }

  async deepClean(): Promise<void> {
    const keys = await this.#redis.keys(`${this.#prefix}:item:*`)
    const waiting = await this.#redis.lrange(`${this.#prefix}:queue`, 0, -1)
    for (const id of keys.map((key) => key.slice(this.#item('').length))) {
      if (waiting.includes(id) || (await this.#redis.exists(this.#lease(id))) === 1) continue
      await this.#redis.lrem(`${this.#prefix}:processing`, 0, id)
      await this.#redis.lpush(`${this.#prefix}:queue`, id)
    }
  }

  #item(id: string): string {
    return `${this.#prefix}:item:${id}`
  }

  #lease(id: string): string {
    return `${this.#prefix}:lease:${id}`
  }
}
