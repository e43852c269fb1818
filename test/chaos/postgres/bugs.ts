import type { SqlBugs } from '../bugs.ts'

export const inSql: SqlBugs = {
  'unguarded write': [
    ['where j.id = n.id and j.rev = n.rev', 'where j.id = n.id'],
    ['where j.id = w.id and j.rev = w.decided_on', 'where j.id = w.id'],
  ],
  'early rescue': [['r.lease_until <= $1::bigint order', 'r.lease_until - 800 <= $1::bigint order']],
  'busy key ignored': [
    ['where j.state = 1 and j.queue = queues[i]', 'where j.state = 9 and j.queue = queues[i]'],
    ['create unique index job_busy', 'create index job_busy'],
  ],
  'attempt not counted': [['attempt = j.attempt + 1', 'attempt = j.attempt + 0']],
  'lost count': [
    ['count(*) filter (where w.state = 2), count', '0 * count(*) filter (where w.state = 2), count'],
    ['(w.state = 1)::integer, (w.state = 2)::integer', '(w.state = 1)::integer, 0'],
  ],
}
