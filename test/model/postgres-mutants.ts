import { Client } from 'pg'

import type { Mutant, Seam } from './mutants.ts'

/**
 * None of them may live, neither under the scripts nor, where those cannot show it, under the contract. Their texts are functions and
 * statements with the schema in them. What takes several stores at once to be seen is in test/postgres/races.test.ts.
 */
export const postgresMutants: readonly Mutant[] = [
  {
    bug: 'a write looks at the id alone, not at the revision',
    changes: [
      [/ and j\.rev = n\.rev and j\.lease (?:is not distinct from|=) n\.lease/g, ''],
      [/ and j\.rev = w\.decided_on and j\.lease is not distinct from w\.decided_under/, ''],
    ],
  },
  {
    bug: 'a write is taken as long as the lease is the same',
    changes: [
      [/j\.rev = n\.rev and /g, ''],
      [/j\.rev = w\.decided_on and /, ''],
    ],
  },
  { bug: 'a lease is renewed for anybody', changes: [[/ and j\.lease = n\.lease and/, ' and']] },
  { bug: 'renewing revives a lease that ran out', changes: [[/ and j\.lease_until > now_at/, '']] },
  {
    bug: 'a lease can be renewed at the very instant it ends',
    changes: [[/j\.lease_until > now_at/, 'j.lease_until >= now_at']],
  },
  {
    bug: 'renewing leaves the revision as it was',
    changes: [[/(set lease_until = until_at), rev = j\.rev \+ 1/, '$1']],
  },
  { bug: 'a lease has run out only after its end', changes: [[/r\.lease_until <= \$1/, 'r.lease_until < $1']] },
  {
    bug: 'the lease that runs out now is the next to run out',
    changes: [[/r\.lease_until > \$1/, 'r.lease_until >= $1']],
  },
  { bug: 'a job is due only after its time', changes: [[/j\.run_at <= now_at/g, 'j.run_at < now_at']] },
  {
    bug: 'a claim takes the latest first',
    changes: [[/order by j\.run_at, j\.seq/g, 'order by j.run_at desc, j.seq']],
  },
  {
    bug: 'among equals the one added last is first',
    changes: [[/order by j\.run_at, j\.seq/g, 'order by j.run_at, j.seq desc']],
  },
  { bug: 'an attempt is not counted when it starts', changes: [[/attempt = j\.attempt \+ 1/, 'attempt = j.attempt']] },
  { bug: 'a claim leaves the revision as it was', changes: [[/rev = j\.rev \+ 1, lease =/, 'rev = j.rev, lease =']] },
  {
    bug: 'a claim does not let go of keys held until claimed',
    changes: [[/unique_held = j\.unique_held and j\.unique_until <> 0/, 'unique_held = j.unique_held']],
  },
  { bug: 'a passed window holds its key', changes: [[/j\.unique_until <= now_at/, 'j.unique_until < 0']] },
  {
    bug: 'a passed window lets go of its key unseen',
    changes: [[/(set unique_held = false), rev = j\.rev \+ 1/, '$1']],
  },
  {
    bug: 'a batch is kept though one of its jobs was to be refused',
    changes: [[/or exists \(select from json_array_elements_text[^]*?is not null\)/, '']],
  },
  {
    bug: 'a batch is kept though one of its writes was stale',
    changes: [[/cardinality\(written\.refused\) > 0\s+or/, '']],
  },
  {
    bug: 'a refused batch leaves something behind',
    changes: [
      [
        /raise exception using errcode = 'JF001';/,
        `answers := answers || json_build_object('ok', false, 'holders', to_json(holders)); continue;`,
      ],
    ],
  },
  { bug: 'a pause is not seen', changes: [[/where not u\.paused and/, 'where']] },
  {
    bug: 'the limit of a queue is not seen',
    changes: [[/coalesce\(u\.concurrency - \(/, 'coalesce(null::integer - (']],
  },
  {
    bug: 'the limit of a queue counts only within one claim',
    changes: [[/j\.state = 1 where l\.queue = u\.id/, 'j.state = 9 where l.queue = u.id']],
  },
  {
    bug: 'the limit of a queue counts only what ran before',
    changes: [
      [/rooms\[q\] := rooms\[q\] - \w+/g, 'rooms[q] := rooms[q]'],
      [/room_now\[q\] := room_now\[q\] - 1/, 'room_now[q] := room_now[q]'],
    ],
  },
  {
    bug: 'the most of a task is not seen where it has the rank to itself',
    changes: [[/least\(wanted, task_left\[tasks\[a\]\]\)/, 'wanted']],
  },
  {
    bug: 'the most of a task is not seen where it shares a rank',
    changes: [
      [/task_now\[tasks\[i\]\] <= 0/, 'false'],
      [/where task_left\[tasks\[s\.i\]\] > 0 and/, 'where'],
    ],
  },
  { bug: 'any task is claimed', changes: [[/\(known_tasks is null or t\.n is not null\) and/, '']] },
  { bug: 'any queue is claimed from', changes: [[/and \(of_queues is null or u\.name = any\(of_queues\)\)/, '']] },
  {
    bug: 'the priority of a queue is not seen',
    changes: [
      [/u\.priority as qp/, '0 as qp'],
      [/order by u\.priority, l\.priority\)/, 'order by l.priority)'],
    ],
  },
  {
    bug: 'the priority of a job is not seen',
    changes: [
      [/l\.priority as lp/, '0 as lp'],
      [/order by u\.priority, l\.priority\)/, 'order by u.priority)'],
    ],
  },
  {
    bug: 'a key that is busy is taken',
    changes: [[/(if exists \(select from \S+job j where j\.state) = 1/, '$1 = 9']],
  },
  {
    bug: 'a key is taken twice in one claim',
    changes: [[/queues\[i\] \|\| ' ' \|\| c\.concurrency_key = any\(busy\)/, 'false']],
  },
  {
    bug: 'a concurrency key is the same in all queues',
    changes: [[/j\.state = 1 and j\.queue = queues\[i\] and/g, 'j.state = 1 and']],
  },
  {
    bug: 'jobs that have waited for their key are forgotten',
    changes: [[/set parked = false\s+where/, 'set parked = true where']],
  },
  {
    bug: 'the latest that waits for its key comes back first',
    changes: [[/order by p\.run_at, p\.seq/, 'order by p.run_at desc, p.seq']],
  },
  { bug: 'a mere end does not free its key', changes: [[/if keys is not null then/, 'if false then']] },
  { bug: 'a retry does not free its key', changes: [[/if old\.concurrency_key is not null then/, 'if false then']] },
  { bug: 'the next run is the one that is due', changes: [[/j\.run_at > now_at/, 'j.run_at >= now_at']] },
  { bug: 'claims are not counted', changes: [[/select u\.lane, -count\(\*\), count\(\*\)/g, 'select u.lane, 0, 0']] },
  { bug: 'ends are not counted', changes: [[/select w\.lane, -count\(\*\), count/, 'select w.lane, 0, count']] },
  {
    bug: 'a write counts where a job came to, not where it came from',
    changes: [[/values \(old\.lane, -\(old\.state = 0\)::integer/, 'values (old.lane, 0']],
  },
  {
    bug: 'summing up forgets the sum before',
    changes: [[/completed = coalesce\(l\.completed, 0\) \+ s\.completed/, 'completed = s.completed']],
  },
  { bug: 'a job is forgotten only after its time', changes: [[/n\.forget_at <= now_at/, 'n.forget_at < now_at']] },
  {
    bug: 'the latest due is forgotten first',
    changes: [[/order by n\.forget_at limit/, 'order by n.forget_at desc limit']],
  },
  {
    bug: 'more is forgotten than was asked for',
    changes: [[/order by n\.forget_at limit most/, 'order by n.forget_at']],
  },
  { bug: 'a log outlives its job', changes: [[/(delete from \S+log l where)/g, '$1 false and']] },
  {
    bug: 'lines are logged for jobs that are gone',
    changes: [[/where exists \(select from \S+job j where j\.id = n\.job\)/, '']],
  },
  {
    bug: 'changing one setting resets another',
    changes: [[/coalesce\(\$2::boolean, u\.paused\)/, 'coalesce($2::boolean, false)']],
  },
  {
    bug: 'lines of a log are in the order of the alphabet',
    changes: [[/order by n\.seq limit/, 'order by n.seq::text limit']],
    unseenByModel: true,
  },
  {
    bug: 'a page of a log begins with the line before',
    changes: [[/n\.seq > \$2/, 'n.seq >= $2']],
    unseenByModel: true,
  },
  { bug: 'a page of jobs begins with the job before', changes: [[/j\.id < \$/, 'j.id <= $']], unseenByModel: true },
  {
    bug: 'a list begins after createdFrom',
    changes: [[/j\.created_at >= \$/, 'j.created_at > $']],
    unseenByModel: true,
  },
  {
    bug: 'what fails in a transaction of the caller breaks it',
    changes: [[/exception when others then\s+return json_build_object\('code', sqlstate, 'message', sqlerrm\);/g, '']],
    unseenByModel: true,
  },
]

/** Every statement that `pg` sends. */
export const postgresSeam: Seam = (spoil) => {
  const { query } = Client.prototype
  Client.prototype.query = function (this: Client, config: string | { readonly text: string }, ...rest: unknown[]) {
    const spoiled = typeof config === 'string' ? spoil(config) : { ...config, text: spoil(config.text) }
    return Reflect.apply(query, this, [spoiled, ...rest]) as unknown
  } as typeof query
  return () => Object.assign(Client.prototype, { query })
}
