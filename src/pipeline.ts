/**
 * A pipeline or MULTI of a caller's Redis client that has not been executed: `redis.pipeline()` or `redis.multi()` of ioredis,
 * `client.multi()` of node-redis, told by what it can do.
 */
export type Pipeline =
  | { call(...args: never[]): unknown; exec(...args: never[]): unknown }
  | { addCommand(...args: never[]): unknown; exec(...args: never[]): unknown }

/** A job that a pipeline adds when it is executed. Whether it was, only the pipeline's answers tell. */
export interface Appended {
  readonly id: string
}
