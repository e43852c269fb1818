import { plainPlans } from './settings.ts'

/** Removes finished jobs that are due to be forgotten, the earliest due first. Two that do so at once pass each other. */
export const prune: string = `
create or replace function @.prune(now_at bigint, most integer) returns integer language plpgsql ${plainPlans} as $fn$
declare
  gone text[];
begin
  perform set_config('synchronous_commit', 'off', true);
  with w as (
    delete from @.job j
    where j.ctid = any (array(
      select n.ctid from @.job n where n.forget_at <= now_at order by n.forget_at limit most for update skip locked
    ))
    returning j.id, j.lane, j.state
  ), counted as (
    insert into @.tally (lane, completed, failed, cancelled)
    select w.lane, -count(*) filter (where w.state = 2), -count(*) filter (where w.state = 3), -count(*) filter (where w.state = 4)
    from w group by w.lane
  )
  select array_agg(w.id) into gone from w;
  if gone is not null then
    delete from @.log l where l.job = any (gone);
  end if;
  return coalesce(cardinality(gone), 0);
end
$fn$;`
