import Database from 'better-sqlite3'
import { rawContender } from './raw-sql.ts'

/** The raw limit on better-sqlite3, whose own default in WAL mode is NORMAL. */
export default rawContender(
  'raw better-sqlite3',
  (file) => new Database(file),
  (durability) => {
    if (durability === 'default') return { enqueue: '', settle: '' }
    const set = `pragma synchronous = ${durability === 'full' ? 'full' : 'normal'}`
    return { enqueue: set, settle: set }
  },
)
