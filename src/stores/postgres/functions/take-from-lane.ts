import { callersPlans } from './settings.ts'
import { counting, handingOut, inTurn, taking } from './taking.ts'

/** The first due rows of the lane, as the index job_ready has them. */
const first = `
  select j.ctid from @.job j
  where j.state = 0 and not j.parked and j.lane = of_lane and j.run_at >= from_at and j.run_at <= now_at
  order by j.run_at, j.seq
  limit wanted - got`

/**
 * Takes the first due jobs of a lane without concurrency keys, straight from the index.
 *
 * Whoever is alone with the lane need not lock a row before it is changed, which is a fifth of the work. Others wait for that one (it is
 * never long), then go side by side, each passing over the rows that another is taking. The lock is the lane's number, negative: those of
 * queues are positive.
 */
export const takeFromLane: string = `
create or replace function @.take_from_lane(
  of_lane integer, wanted integer, from_at bigint, new_lease text, until_at bigint, now_at bigint
) returns setof @.taken language plpgsql ${callersPlans} as $fn$
declare
  got integer := 0;
begin
  if pg_try_advisory_xact_lock('@.job'::regclass::oid::integer, -of_lane) then
    -- A claim over several lanes does not ask for this lock, nor does an edit: hence the conditions. The sums keep the planner to the
    -- places of the rows.
    return query
      with u as (
        update @.job j ${taking}
        where j.ctid = any (array(${first}))
          and j.state + 0 = 0 and j.parked::integer = 0 and j.run_at + 0 <= now_at and j.lane + 0 = of_lane
        returning ${handingOut}
      ), counted as (
        ${counting}
      )
      select ${inTurn} from u order by u.run_at, u.seq;
    get diagnostics got = row_count;
    if got = wanted then
      return;
    end if;
  else
    perform pg_advisory_xact_lock_shared('@.job'::regclass::oid::integer, -of_lane);
  end if;
  return query
    with turn as materialized (${first} for update skip locked), u as (
      update @.job j ${taking}
      where j.ctid = any (array(select turn.ctid from turn))
      returning ${handingOut}
    ), counted as (
      ${counting}
    )
    select ${inTurn} from u order by u.run_at, u.seq;
end
$fn$;`
