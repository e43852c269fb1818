export type { BackliteOptions } from './options.ts'
export { BackliteStore } from './store.ts'
