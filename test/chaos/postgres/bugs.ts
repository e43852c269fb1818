import type { SqlBugs } from '../bugs.ts'

export const inSql: SqlBugs = {
  'unguarded write': [
    [' and j.rev = n.rev and j.lease is not distinct from n.lease', ''],
    [' and j.rev = n.rev and j.lease = n.lease', ''],
    [' and j.rev = w.decided_on and j.lease is not distinct from w.decided_under', ''],
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
