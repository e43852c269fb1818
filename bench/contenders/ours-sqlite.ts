import { DatabaseSync } from 'node:sqlite'
import { open } from '../../src/index.ts'
import type { Contender } from '../contender.ts'
import { jobferrySession } from './jobferry.ts'
import { sqliteFile } from './sqlite-file.ts'

/** jobferry on a file. */
const ours: Contender = {
  name: 'ours',
  finished: ['removed', 'kept'],
  open: async (file, durability, keep) =>
    jobferrySession(await open(`sqlite:${file}`, durability === 'default' ? {} : { durability }), keep),
  ...sqliteFile((file) => new DatabaseSync(file), 'jobferry_job', 'state < 2'),
}
export default ours
