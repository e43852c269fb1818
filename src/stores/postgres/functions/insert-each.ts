import { callersPlans } from './settings.ts'
import { jobAsJson } from '../row.ts'

/**
 * Adds jobs in order, each unless its unique key is held: then the holder is the answer in its place. A key whose window has passed
 * is free. \`on conflict\` waits for a rival whose transaction has not ended, and then knows.
 */
export const insertEach: string = `
create or replace function @.insert_each(jobs json, now_at bigint, out holders json[]) language plpgsql ${callersPlans} as $fn$
declare
  n record;
  holder json;
  added boolean;
begin
  holders := '{}';
  for n in
    select * from json_to_recordset(jobs) as n (
      id text, seq bigint, run_at bigint, created_at bigint, lease_until bigint, started_at bigint, finished_at bigint, forget_at bigint,
      unique_until bigint, lane integer, queue integer, attempt integer, max_attempts integer, rev integer, state smallint,
      unique_held boolean, lease text, unique_key text, concurrency_key text, cancel text, parent text, failures text, policy text,
      result text, payload text, payload_bytes text
    )
  loop
    holder := null;
    loop
      if n.unique_held then
        update @.job j set unique_held = false, rev = j.rev + 1
        where j.unique_held and j.queue = n.queue and j.unique_key = n.unique_key and j.unique_until > 0 and j.unique_until <= now_at;
      end if;
      insert into @.job (
        id, run_at, created_at, lease_until, started_at, finished_at, forget_at, unique_until, lane, queue, attempt, max_attempts, rev,
        state, unique_held, lease, unique_key, concurrency_key, cancel, parent, failures, policy, result, payload, payload_bytes
      ) values (
        n.id, n.run_at, n.created_at, n.lease_until, n.started_at, n.finished_at, n.forget_at, n.unique_until, n.lane, n.queue, n.attempt,
        n.max_attempts, n.rev, n.state, n.unique_held, n.lease, n.unique_key, n.concurrency_key, n.cancel, n.parent, n.failures, n.policy,
        n.result, n.payload, decode(n.payload_bytes, 'hex')
      )
      on conflict (queue, unique_key) where unique_held do nothing;
      added := found;
      exit when added;
      select ${jobAsJson} into holder
      from @.job j join @.lane l on l.id = j.lane join @.queue u on u.id = l.queue
      where j.unique_held and j.queue = n.queue and j.unique_key = n.unique_key;
      exit when found; -- otherwise it went away between the two looks: try again
    end loop;
    if added then
      insert into @.tally (lane, pending, running, completed, failed, cancelled)
      values (n.lane, (n.state = 0)::integer, (n.state = 1)::integer, (n.state = 2)::integer, (n.state = 3)::integer, (n.state = 4)::integer);
    end if;
    holders := holders || case when added then null else holder end;
  end loop;
end
$fn$;`
