import { describe, it } from 'vitest'

import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { holdToContract } from '../../src/testing/contract/index.ts'
import { fixtures } from './contract-fixture.ts'

holdToContract(
  { describe, it },
  'postgres, as behind a pooler: without NOTIFY and prepared statements,',
  fixtures(
    async (url, schema) => ({ store: await PostgresStore.open(url, { schema, notify: false, prepare: false }) }),
    { fresh: true },
  ),
  { listen: 'a pooler in transaction mode hands no notifications on', pipeline: 'PostgreSQL has none' },
)
