export type { LiteqOptions } from './options.ts'
export { LiteqStore } from './store.ts'
