import { open } from '../../src/index.ts'
import type { Contender } from '../contender.ts'
import { jobferrySession } from './jobferry.ts'
import { atSchema, postgresSchema } from './postgres-schema.ts'

/** jobferry on PostgreSQL. */
const ours: Contender = {
  name: 'ours',
  finished: ['removed', 'kept'],
  open: async (place, durability, keep) => {
    const { url, schema } = atSchema(place)
    const options = { schema, ...(durability === 'default' ? {} : { durability }) }
    return jobferrySession(await open(url, options), keep)
  },
  ...postgresSchema('job', 'state < 2'),
}
export default ours
