export { type ShardBy, ShardedStore } from './store.ts'
