export type { IoRedisHandle } from './ioredis.ts'
export type { NodeRedisClusterHandle, NodeRedisHandle } from './node-redis.ts'
export type { Confirm, RedisHandle, RedisOptions } from './options.ts'
export { RedisStore } from './store.ts'
