import { jobAsJson } from '../row.ts'
import { plainPlans } from './settings.ts'

/**
 * What a worker says and asks in one go: stores how its runs have ended, then claims. Its last row carries the answer to the settling.
 *
 * With \`relaxed\` the commit does not wait for the disk: a power cut may then undo it, and the jobs run again.
 */
export const exchange: string = `
create or replace function @.exchange(
  gone_ids text[], gone_revs integer[], gone_leases text[],
  end_ids text[], end_revs integer[], end_leases text[], end_states smallint[], finished_ats bigint[], forget_ats bigint[], results text[], cancels text[],
  writes json, relaxed boolean, channel text, bell text, wakes boolean, control_bell text,
  known_tasks text[], most integer[], of_queues text[], wanted integer, new_lease text, until_at bigint, now_at bigint,
  from_lanes integer[], from_ats bigint[]
) returns setof @.taken language plpgsql ${plainPlans} as $fn$
declare
  settled record;
  written record;
  refused text[] := '{}';
  current json;
  freed boolean := false;
begin
  if relaxed then
    perform set_config('synchronous_commit', 'off', true);
  end if;
  if (gone_ids is not null)::integer + (end_ids is not null)::integer + (writes is not null)::integer > 1 then
    -- All in one order, as \`renew\` takes them: so neither holds what the other waits for. What a worker finds locked it leaves for later.
    if wanted is null then
      perform from @.job j
      where j.id = any (gone_ids || end_ids || array(select w.value ->> 'id' from json_array_elements(writes) w))
      order by j.id
      for update;
    else
      perform from @.job j
      where j.id = any (gone_ids || end_ids || array(select w.value ->> 'id' from json_array_elements(writes) w))
      order by j.id
      for update skip locked;
    end if;
  end if;
  if gone_ids is not null or end_ids is not null then
    select * into settled
    from @.settle(gone_ids, gone_revs, gone_leases, end_ids, end_revs, end_leases, end_states, finished_ats, forget_ats, results,
      cancels);
    refused := settled.refused;
    freed := settled.freed;
  end if;
  if writes is not null then
    select * into written from @.write_each(writes, wanted is null);
    refused := refused || written.refused;
    freed := freed or written.freed;
  end if;
  if cardinality(refused) > 0 then -- as they are now, before some of them are taken again
    select json_agg(${jobAsJson}) into current
    from @.job j join @.lane l on l.id = j.lane join @.queue u on u.id = l.queue
    where j.id = any (refused);
  end if;
  if wanted is not null then
    return query select * from @.claim(known_tasks, most, of_queues, wanted, new_lease, until_at, now_at, from_lanes, from_ats);
  end if;
  if bell is not null and (freed or wakes) then
    perform pg_notify(channel, bell);
  end if;
  if control_bell is not null then
    perform pg_notify(channel, control_bell);
  end if;
  return query select null::text, -1, null::bigint, 0, 0, 0, 0::bigint, case when freed then 'freed' end,
    json_build_object('refused', to_json(refused), 'current', current)::text;
end
$fn$;`
