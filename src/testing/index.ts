export {
  aJob,
  type Case,
  contract,
  type Fixture,
  guestContract,
  hold,
  holdToContract,
  type Lacks,
  type Need,
  type Runner,
  type Transaction,
} from './contract/index.ts'
export type { Drained, DrainOptions } from './drain.ts'
export { type Expected, expectEnqueued, expectNotEnqueued, type WaitingJob } from './expect-enqueued.ts'
export type { RunOptions } from './inline.ts'
export { ManualClock, type ManualClockOptions } from './manual-clock.ts'
export { openTesting, type Testing, type TestingOptions } from './open-testing.ts'
export type { Some, Stored } from './stored.ts'
export { type StoreCall, throughStore } from './through-store.ts'
