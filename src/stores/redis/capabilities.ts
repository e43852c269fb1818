import { type Capability, capabilities } from '../../core/capability.ts'

/** A MULTI answers nothing before it is executed, so nothing that has to be decided can happen in one; adding jobs can. */
export const redisCapabilities: ReadonlySet<Capability> = new Set(
  capabilities.filter((one) => one !== 'transaction' && one !== 'connection'),
)
