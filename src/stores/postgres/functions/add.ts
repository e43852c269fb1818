import { plainPlans } from './settings.ts'

/**
 * Adds jobs that have never run and hold no unique key: nothing has to be looked at first. One array per column.
 *
 * `bell` is what to tell listeners, null for silence.
 */
export const add: string = `
create or replace function @.add(
  ids text[], lanes integer[], queues integer[], run_ats bigint[], max_attempts integer[], created_ats bigint[], payloads text[],
  bytes text[], unique_keys text[], unique_untils bigint[], concurrency_keys text[], parents text[], policies text[],
  lanes_counted integer[], counts integer[], channel text, bell text
) returns void language plpgsql ${plainPlans} as $fn$
begin
  insert into @.job
    (id, lane, queue, run_at, max_attempts, created_at, payload, payload_bytes, unique_key, unique_until, concurrency_key, parent, policy)
  select n.id, n.lane, n.queue, n.run_at, n.max_attempts, n.created_at, n.payload, decode(n.bytes, 'hex'), n.unique_key, n.unique_until,
    n.concurrency_key, n.parent, n.policy
  from unnest(ids, lanes, queues, run_ats, add.max_attempts, created_ats, payloads, bytes, unique_keys, unique_untils, concurrency_keys,
    parents, policies) as n (id, lane, queue, run_at, max_attempts, created_at, payload, bytes, unique_key, unique_until,
    concurrency_key, parent, policy);
  insert into @.tally (lane, pending) select lane, count from unnest(lanes_counted, counts) as n (lane, count);
  if bell is not null then
    perform pg_notify(channel, bell);
  end if;
end
$fn$;`
