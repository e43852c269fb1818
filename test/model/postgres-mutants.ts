import { Client } from 'pg'

import type { Mutant, Seam } from './mutants.ts'

/** A bug in the functions and statements of the PostgreSQL store, which have the schema in them. */
export interface PostgresMutant extends Mutant {
  /** The promise of the contract that breaks. The whole of it takes too long here to look for the first. */
  readonly breaks: string
  /** Random scripts show it, too, and soon: a few are enough to see that they can. */
  readonly byScripts?: true
}

/** None of them may live. What takes two stores at once to be seen is in test/postgres/races.test.ts. */
export const postgresMutants: readonly PostgresMutant[] = [
  {
    bug: 'a write looks at the id alone, not at the revision',
    breaks: 'refuses a batch with a stale write, and changes nothing',
    byScripts: true,
    changes: [
      [/ and j\.rev = n\.rev and j\.lease (?:is not distinct from|=) n\.lease/g, ''],
      [/ and j\.rev = w\.decided_on and j\.lease is not distinct from w\.decided_under/, ''],
    ],
  },
  {
    bug: 'a write is taken as long as the lease is the same',
    breaks: 'frees the passed window of a job that still waits or runs, and refuses what was decided before',
    changes: [
      [/j\.rev = n\.rev and /g, ''],
      [/j\.rev = w\.decided_on and /, ''],
    ],
  },
  {
    bug: 'a lease is renewed for anybody',
    breaks: 'renews only for the lease that is held now',
    changes: [[/ and j\.lease = n\.lease and/, ' and']],
  },
  {
    bug: 'renewing revives a lease that ran out',
    breaks: 'never revives a lease that ran out, even if nobody has taken the job since',
    changes: [[/ and j\.lease_until > now_at/, '']],
  },
  {
    bug: 'a lease can be renewed at the very instant it ends',
    breaks: 'renews in the last millisecond of a lease, and not at its end',
    byScripts: true,
    changes: [[/j\.lease_until > now_at/, 'j.lease_until >= now_at']],
  },
  {
    bug: 'renewing leaves the revision as it was',
    breaks: 'refuses a write decided before the lease was renewed, and shows the renewed row',
    changes: [[/(set lease_until = until_at), rev = j\.rev \+ 1/, '$1']],
  },
  {
    bug: 'a lease has run out only after its end',
    breaks: 'finds a job whose lease ends at this very instant, and not a millisecond before',
    changes: [[/r\.lease_until <= \$1/, 'r.lease_until < $1']],
  },
  {
    bug: 'the lease that runs out now is the next to run out',
    breaks: 'finds a job whose lease ends at this very instant, and not a millisecond before',
    changes: [[/r\.lease_until > \$1/, 'r.lease_until >= $1']],
  },
  {
    bug: 'a job is due only after its time',
    breaks: 'takes a job at the very instant it is due, and not a millisecond before',
    changes: [[/j\.run_at <= now_at/g, 'j.run_at < now_at']],
  },
  {
    bug: 'a claim takes the latest first',
    breaks: 'takes no more than the limit, the first in order',
    changes: [[/order by j\.run_at, j\.seq/g, 'order by j.run_at desc, j.seq']],
  },
  {
    bug: 'among equals the one added last is first',
    breaks: 'takes each job once',
    changes: [[/order by j\.run_at, j\.seq/g, 'order by j.run_at, j.seq desc']],
  },
  {
    bug: 'an attempt is not counted when it starts',
    breaks: 'makes of each job it takes what the core says, and stores it so',
    changes: [[/attempt = j\.attempt \+ 1/, 'attempt = j.attempt']],
  },
  {
    bug: 'a claim leaves the revision as it was',
    breaks: 'makes of each job it takes what the core says, and stores it so',
    changes: [[/rev = j\.rev \+ 1, lease =/, 'rev = j.rev, lease =']],
  },
  {
    bug: 'a claim does not let go of keys held until claimed',
    breaks: 'frees a key held until claimed at the claim, and keeps one held longer',
    byScripts: true,
    changes: [[/unique_held = j\.unique_held and j\.unique_until <> 0/, 'unique_held = j.unique_held']],
  },
  {
    bug: 'a passed window holds its key',
    breaks: 'holds a window to its last millisecond, whatever becomes of the job, and frees the key when it has passed',
    changes: [[/j\.unique_until <= now_at/, 'j.unique_until < 0']],
  },
  {
    bug: 'a passed window lets go of its key unseen',
    breaks: 'holds a window to its last millisecond, whatever becomes of the job, and frees the key when it has passed',
    byScripts: true,
    changes: [[/(set unique_held = false), rev = j\.rev \+ 1/, '$1']],
  },
  {
    bug: 'a batch is kept though one of its jobs was to be refused',
    breaks: 'shows a later batch what an earlier one of the call has done, and nothing of one that was refused',
    changes: [[/or exists \(select from json_array_elements_text[^]*?is not null\)/, '']],
  },
  {
    bug: 'a batch is kept though one of its writes was stale',
    breaks: 'refuses a batch with a stale write, and changes nothing',
    changes: [[/cardinality\(written\.refused\) > 0\s+or/, '']],
  },
  {
    bug: 'a refused batch leaves something behind',
    breaks: 'refuses a batch with a stale write, and changes nothing',
    byScripts: true,
    changes: [
      [
        /raise exception using errcode = 'JF001';/,
        `answers := answers || json_build_object('ok', false, 'holders', to_json(holders)); continue;`,
      ],
    ],
  },
  {
    bug: 'a pause is not seen',
    breaks: 'takes nothing from a paused queue, lets go on what runs, and goes on when it is resumed',
    byScripts: true,
    changes: [[/where not u\.paused and/, 'where']],
  },
  {
    bug: 'the limit of a queue is not seen',
    breaks: 'never runs more of a queue than its limit, over all claims and tasks',
    changes: [[/coalesce\(u\.concurrency - \(/, 'coalesce(null::integer - (']],
  },
  {
    bug: 'the limit of a queue counts only within one claim',
    breaks: 'never runs more of a queue than its limit, over all claims and tasks',
    changes: [[/j\.state = 1 where l\.queue = u\.id/, 'j.state = 9 where l.queue = u.id']],
  },
  {
    bug: 'the limit of a queue counts only what ran before',
    breaks: 'never runs more of a queue than its limit, over all claims and tasks',
    changes: [
      [/rooms\[q\] := rooms\[q\] - \w+/g, 'rooms[q] := rooms[q]'],
      [/room_now\[q\] := room_now\[q\] - 1/, 'room_now[q] := room_now[q]'],
    ],
  },
  {
    bug: 'the most of a task is not seen where it has the rank to itself',
    breaks: 'stores a job that is released, and counts it',
    changes: [[/least\(wanted, task_left\[tasks\[a\]\]\)/, 'wanted']],
  },
  {
    bug: 'the most of a task is not seen where it shares a rank',
    breaks: 'takes of each task at most as many as the map says, and fills up with others behind them',
    changes: [
      [/task_now\[tasks\[i\]\] <= 0/, 'false'],
      [/where task_left\[tasks\[s\.i\]\] > 0 and/, 'where'],
    ],
  },
  {
    bug: 'any task is claimed',
    breaks: 'takes only jobs of the tasks named, of any when none are',
    byScripts: true,
    changes: [[/\(known_tasks is null or t\.n is not null\) and/, '']],
  },
  {
    bug: 'any queue is claimed from',
    breaks: 'takes only from the queues named, from all when none are',
    changes: [[/and \(of_queues is null or u\.name = any\(of_queues\)\)/, '']],
  },
  {
    bug: 'the priority of a queue is not seen',
    breaks: 'takes by the priority of the queue before that of the job',
    changes: [
      [/u\.priority as qp/, '0 as qp'],
      [/order by u\.priority, l\.priority\)/, 'order by l.priority)'],
    ],
  },
  {
    bug: 'the priority of a job is not seen',
    breaks: 'takes by priority before runAt, lower first, over all queues and tasks',
    byScripts: true,
    changes: [
      [/l\.priority as lp/, '0 as lp'],
      [/order by u\.priority, l\.priority\)/, 'order by u.priority)'],
    ],
  },
  {
    bug: 'a key that is busy is taken',
    breaks: 'says when the next job falls due, not when what is due and held up will be free',
    changes: [[/(if exists \(select from \S+job j where j\.state) = 1/, '$1 = 9']],
  },
  {
    bug: 'a key is taken twice in one claim',
    breaks: 'never runs two jobs of one concurrency key, and takes the first in order',
    changes: [[/queues\[i\] \|\| ' ' \|\| c\.concurrency_key = any\(busy\)/, 'false']],
  },
  {
    bug: 'a concurrency key is the same in all queues',
    breaks: 'keeps the concurrency keys of each queue apart, and apart from unique keys',
    changes: [[/j\.state = 1 and j\.queue = queues\[i\] and/g, 'j.state = 1 and']],
  },
  {
    bug: 'jobs that have waited for their key are forgotten',
    breaks: 'takes the next of a key once the running one has come to any end',
    changes: [[/set parked = false\s+where/, 'set parked = true where']],
  },
  {
    bug: 'the latest that waits for its key comes back first',
    breaks: 'keeps the line of a key when its jobs are edited, cancelled or removed while they wait behind',
    changes: [[/order by p\.run_at, p\.seq/, 'order by p.run_at desc, p.seq']],
  },
  {
    bug: 'a mere end does not free its key',
    breaks: 'takes the next of a key once the running one has come to any end',
    changes: [[/if keys is not null then/, 'if false then']],
  },
  {
    bug: 'a retry does not free its key',
    breaks: 'takes the next of a key once the running one has come to any end',
    changes: [[/if old\.concurrency_key is not null then/, 'if false then']],
  },
  {
    bug: 'the next run is the one that is due',
    breaks: 'says when the next job falls due, not when what is due and held up will be free',
    byScripts: true,
    changes: [[/j\.run_at > now_at/, 'j.run_at >= now_at']],
  },
  {
    bug: 'claims are not counted',
    breaks: 'counts jobs that move between queues, tasks and priorities',
    changes: [[/select u\.lane, -count\(\*\), count\(\*\)/g, 'select u.lane, 0, 0']],
  },
  {
    bug: 'ends are not counted',
    breaks: 'holds a window to its last millisecond, whatever becomes of the job, and frees the key when it has passed',
    changes: [[/select w\.lane, -count\(\*\), count/, 'select w.lane, 0, count']],
  },
  {
    bug: 'a write counts where a job came to, not where it came from',
    breaks: 'lets a write of a batch build on an earlier one',
    changes: [[/values \(old\.lane, -\(old\.state = 0\)::integer/, 'values (old.lane, 0']],
  },
  {
    bug: 'summing up forgets the sum before',
    breaks: 'forgets a job at the very instant it is due to be forgotten, and not a millisecond before',
    changes: [[/completed = coalesce\(l\.completed, 0\) \+ s\.completed/, 'completed = s.completed']],
  },
  {
    bug: 'a job is forgotten only after its time',
    breaks: 'forgets a job at the very instant it is due to be forgotten, and not a millisecond before',
    changes: [[/n\.forget_at <= now_at/, 'n.forget_at < now_at']],
  },
  {
    bug: 'the latest due is forgotten first',
    breaks: 'forgets the earliest due first, no more than the limit, and says how many',
    changes: [[/order by n\.forget_at limit/, 'order by n.forget_at desc limit']],
  },
  {
    bug: 'more is forgotten than was asked for',
    breaks: 'forgets the earliest due first, no more than the limit, and says how many',
    changes: [[/order by n\.forget_at limit most/, 'order by n.forget_at']],
  },
  {
    bug: 'a log outlives its job',
    breaks: 'forgets a job with its log, and leaves the logs of others',
    changes: [[/(delete from \S+log l where)/g, '$1 false and']],
  },
  {
    bug: 'lines are logged for jobs that are gone',
    breaks: 'drops lines of jobs that are gone or never were, and keeps the others of the call',
    changes: [[/where exists \(select from \S+job j where j\.id = n\.job\)/, '']],
  },
  {
    bug: 'changing one setting resets another',
    breaks: 'changes what is given of the settings and keeps the rest',
    changes: [[/coalesce\(\$2::boolean, u\.paused\)/, 'coalesce($2::boolean, false)']],
  },
  {
    bug: 'lines of a log are in the order of the alphabet',
    breaks: 'keeps hundreds of lines in order, and pages through them',
    changes: [[/order by n\.seq limit/, 'order by n.seq::text limit']],
  },
  {
    bug: 'a page of a log begins with the line before',
    breaks: 'gives at most the limit, and goes on after the line named',
    changes: [[/n\.seq > \$2/, 'n.seq >= $2']],
  },
  {
    bug: 'a page of jobs begins with the job before',
    breaks: 'goes through all pages, in both orders, without a job missing or doubled',
    changes: [[/j\.id < \$/, 'j.id <= $']],
  },
  {
    bug: 'a list begins after createdFrom',
    breaks: 'narrows by every field of the filter and by all of them together',
    changes: [[/j\.created_at >= \$/, 'j.created_at > $']],
  },
  {
    bug: 'what fails in a transaction of the caller breaks it',
    breaks: 'stores nothing of a call that throws, and leaves the transaction of the caller as it was before the call',
    changes: [[/exception when others then\s+return json_build_object\('code', sqlstate, 'message', sqlerrm\);/g, '']],
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
