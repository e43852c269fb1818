import { DatabaseSync } from 'node:sqlite'

import type { Mutant, Seam } from './mutants.ts'

/** None of them may live. Fragments are as short as can be, so that the statements around them are free to change. */
export const sqliteMutants: readonly Mutant[] = [
  {
    bug: 'a write looks at the id alone, not at the revision',
    changes: [
      [/^(\s*delete from \w+ .*id = \?) and rev = \?/, '$1 and ? is not null'],
      [/^(\s*update \w+\s+set (?:state|lane) = \?[^]*id = \?) and rev = \?/, '$1 and ? is not null'],
    ],
  },
  {
    bug: 'a write is taken as long as the job runs, whoever runs it',
    changes: [[/id = \? and rev = \?$/, 'id = ? and (rev = ? or state = 1)']],
  },
  { bug: 'a lease is renewed for anybody', changes: [[/and lease = \? and/, 'and ? is not null and']] },
  {
    bug: 'renewing revives a lease that ran out',
    changes: [[/and lease_until > \?(\s+returning)/, 'and ? is not null$1']],
  },
  {
    bug: 'a lease can be renewed at the very instant it ends',
    changes: [[/lease_until > \?(\s+returning)/, 'lease_until >= ?$1']],
  },
  { bug: 'renewing leaves the revision as it was', changes: [[/(set lease_until = \?), rev = rev \+ 1/, '$1']] },
  { bug: 'a lease has run out only after its end', changes: [[/lease_until <= \?/, 'lease_until < ?']] },
  {
    bug: 'the lease that runs out now is the next to run out',
    changes: [[/min\(lease_until\)(.*)lease_until > \?/, 'min(lease_until)$1lease_until >= ?']],
  },
  { bug: 'a job is due only after its time', changes: [[/run_at <= \?(\s+order by run_at, seq)/, 'run_at < ?$1']] },
  {
    bug: 'a claim takes jobs that run already',
    changes: [
      [
        /where state = 0 and parked = 0 and (lane .*and run_at <= \?\s+order by)/s,
        'where state < 2 and parked = 0 and $1',
      ],
    ],
  },
  {
    bug: 'a claim takes the latest first',
    changes: [[/(run_at <= \?\s+order by) run_at, seq/, '$1 run_at desc, seq']],
  },
  {
    bug: 'among equals the one added last is first',
    changes: [[/(run_at <= \?\s+order by) run_at, seq/, '$1 run_at, seq desc']],
  },
  { bug: 'an attempt is not counted when it starts', changes: [[/attempt = attempt \+ 1/, 'attempt = attempt']] },
  { bug: 'a claim leaves the revision as it was', changes: [[/(attempt = attempt \+ 1), rev = rev \+ 1/, '$1']] },
  {
    bug: 'a claim does not let go of keys held until claimed',
    changes: [[/set unique_held = 0( where seq = \?)/, 'set unique_held = unique_held$1']],
  },
  {
    bug: 'nobody looks for the holder of a key',
    changes: [
      [/unique_key = \? and unique_held = 1/, 'unique_key = ? and unique_held = 2'],
      [/create unique index (\S+ on \S+ \(queue, unique_key\))/, 'create index $1'],
    ],
  },
  { bug: 'a passed window lets go of its key unseen', changes: [[/(set unique_held = 0), rev = rev \+ 1/, '$1']] },
  {
    bug: 'a concurrency key counts only within one claim',
    changes: [[/concurrency_key = \? and state = 1/, 'concurrency_key = ? and state = 5']],
  },
  {
    bug: 'jobs that have waited for their key are forgotten',
    changes: [[/set parked = 0(\s+where seq = \()/, 'set parked = 1$1']],
  },
  { bug: 'a pause is not seen', changes: [[/(select id, name), paused,/, '$1, 0,']] },
  { bug: 'the limit of a queue is not seen', changes: [[/(select id, name, paused), concurrency,/, '$1, null,']] },
  {
    bug: 'counts only ever grow',
    changes: [[/running = running \+ \?/, 'running = running + max(0, ?)']],
    inFile: true,
  },
  { bug: 'a job is forgotten only after its time', changes: [[/forget_at <= \?/, 'forget_at < ?']] },
  { bug: 'the latest due is forgotten first', changes: [[/order by forget_at, seq/, 'order by forget_at desc, seq']] },
  { bug: 'a log outlives its job', changes: [[/delete from (\w+) where job in/, 'delete from $1 where 0 and job in']] },
  { bug: 'lines are logged for jobs that are gone', changes: [[/(where) (exists \(select 1)/, '$1 1 or $2']] },
  {
    bug: 'a page of a log begins with the line before',
    changes: [[/seq > \?( order by seq)/, 'seq >= ?$1']],
    unseenByModel: true,
  },
  { bug: 'a page of jobs begins with the job before', changes: [[/\bid < \?/, 'id <= ?']], unseenByModel: true },
  { bug: 'a list begins after createdFrom', changes: [[/created_at >= \?/, 'created_at > ?']], unseenByModel: true },
  {
    bug: 'the next run is the one that is due',
    changes: [[/select run_at([^]*)run_at > \?/, 'select run_at$1run_at >= ?']],
  },
]

/** Every statement that node:sqlite prepares. */
export const sqliteSeam: Seam = (spoil) => {
  const { prepare, exec } = DatabaseSync.prototype
  DatabaseSync.prototype.prepare = function (sql, ...options) {
    return prepare.call(this, spoil(sql), ...options)
  }
  DatabaseSync.prototype.exec = function (sql) {
    return exec.call(this, spoil(sql))
  }
  return () => Object.assign(DatabaseSync.prototype, { prepare, exec })
}
