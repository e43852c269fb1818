import { describe, it } from 'vitest'

import { holdToContract } from '../../src/testing/contract/index.ts'
import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { inNewSchema } from './contract-fixture.ts'

const lacks = { listen: 'a pooler in transaction mode hands no notifications on' }

holdToContract(
  { describe, it },
  'postgres, as behind a pooler: without NOTIFY and prepared statements,',
  async () =>
    await inNewSchema(async (url, schema) => ({
      store: await PostgresStore.open(url, { schema, notify: false, prepare: false }),
    })),
  lacks,
)
