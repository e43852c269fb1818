import type { SqlBugs } from '../bugs.ts'

export const inSql: SqlBugs = {
  'unguarded write': [['and rev = ?', 'and ? is not null']],
  'early rescue': [['where state = 1 and lease_until <= ? order', 'where state = 1 and lease_until <= ? + 800 order']],
  'busy key ignored': [['concurrency_key = ? and state = 1 limit 1', 'concurrency_key = ? and state = 9 limit 1']],
  'attempt not counted': [['set state = 1, attempt = attempt + 1', 'set state = 1, attempt = attempt + 0']],
  'lost count': [['completed = completed + ?', 'completed = completed + 0 * ?']],
}
