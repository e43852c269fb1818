export type { QueOptions } from './options.ts'
export { QueStore } from './store.ts'
