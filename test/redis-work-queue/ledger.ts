import type { Redis } from 'ioredis'

/** Where all sides write down what they run: who runs what at this moment, what was done by whom, and where two met at one job. */
export class Ledger {
  readonly #redis: Redis
  readonly #name: string

  constructor(redis: Redis, name: string) {
    this.#redis = redis
    this.#name = `ledger-${name}`
  }

  /** Writes down a run from its beginning to its end. Whoever finds the job running already has met another, unless that one was killed. */
  async witnessed(n: number, who: string, work: () => Promise<void>): Promise<void> {
    const other = await this.#redis.hget(`${this.#name}:running`, String(n))
    await this.#redis.hset(`${this.#name}:running`, String(n), who)
    if (other !== null && (await this.#redis.sismember(`${this.#name}:killed`, other)) === 0)
      await this.#redis.rpush(`${this.#name}:met`, `${who} met ${other} at ${n}`)
    await work()
    if ((await this.#redis.hget(`${this.#name}:running`, String(n))) !== who)
      await this.#redis.rpush(`${this.#name}:met`, `${who} was met at ${n}`)
    await this.#redis.hdel(`${this.#name}:running`, String(n))
    await this.#redis.rpush(`${this.#name}:done`, `${n} ${who}`)
    await this.#redis.hincrby(`${this.#name}:by`, who, 1)
  }

  async killed(who: string): Promise<void> {
    await this.#redis.sadd(`${this.#name}:killed`, who)
  }

  async doneBy(who: string): Promise<number> {
    return Number((await this.#redis.hget(`${this.#name}:by`, who)) ?? 0)
  }

  async done(): Promise<readonly { readonly n: number; readonly who: string }[]> {
    return (await this.#redis.lrange(`${this.#name}:done`, 0, -1)).map((line) => {
      const [n, ...who] = line.split(' ')
      return { n: Number(n), who: who.join(' ') }
    })
  }

  async met(): Promise<readonly string[]> {
    return await this.#redis.lrange(`${this.#name}:met`, 0, -1)
  }
}
