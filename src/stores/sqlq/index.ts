export type { SqlqOptions } from './options.ts'
export { SqlqStore } from './store.ts'
