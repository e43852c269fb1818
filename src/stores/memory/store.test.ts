import { describe, it } from 'vitest'

import { holdToContract } from '../../testing/contract/index.ts'
import { MemoryStore } from './index.ts'

holdToContract({ describe, it }, 'memory', () => ({ store: new MemoryStore() }), {
  transaction: 'nothing of the caller is kept beside its jobs',
  connection: 'nothing of the caller is kept beside its jobs',
  pipeline: 'there is no network to save trips over',
  another: 'its jobs live inside it',
})
