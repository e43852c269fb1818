import { callersPlans } from './settings.ts'

/**
 * Stores rows one after the other, each if its \`rev\` and lease are still those it was decided on; without \`state\` it is removed. A
 * later write
 * may build on an earlier one, and is refused with it. A row that asks for a unique key which another job holds goes without.
 *
 * A row that is locked is waited for, or, if not \`patient\`, refused: it may be locked for as long as a transaction is left open.
 *
 * Says which were refused, by their ids, and whether a job stopped running that a key or a limit counted.
 */
export const writeEach: string = `
create or replace function @.write_each(writes json, patient boolean, out refused text[], out freed boolean) language plpgsql ${callersPlans} as $fn$
declare
  w record;
  old record;
  held boolean;
begin
  refused := '{}';
  freed := false;
  for w in
    select * from json_to_recordset(writes) as n (
      id text, decided_on integer, decided_under text, seq bigint, run_at bigint, lease_until bigint, started_at bigint, finished_at bigint, forget_at bigint,
      unique_until bigint, lane integer, queue integer, attempt integer, max_attempts integer, rev integer, state smallint,
      unique_held boolean, lease text, unique_key text, concurrency_key text, cancel text, parent text, failures text, policy text,
      result text, payload text, payload_bytes text
    )
  loop
    if patient then
      select j.lane, j.queue, j.state, j.concurrency_key into old
      from @.job j where j.id = w.id and j.rev = w.decided_on and j.lease is not distinct from w.decided_under
      for update;
    else
      select j.lane, j.queue, j.state, j.concurrency_key into old
      from @.job j where j.id = w.id and j.rev = w.decided_on and j.lease is not distinct from w.decided_under
      for update skip locked;
    end if;
    if not found or w.id = any (refused) then
      refused := refused || w.id;
      continue;
    end if;
    if w.state is null then
      delete from @.job j where j.id = w.id;
      delete from @.log l where l.job = w.id;
    else
      held := w.unique_held and not exists (
        select from @.job j where j.unique_held and j.queue = w.queue and j.unique_key = w.unique_key and j.id <> w.id
      );
      loop
        begin
          update @.job j
          set run_at = w.run_at, lease_until = w.lease_until, started_at = w.started_at, finished_at = w.finished_at,
            forget_at = w.forget_at, unique_until = w.unique_until, lane = w.lane, queue = w.queue, attempt = w.attempt,
            max_attempts = w.max_attempts, rev = w.rev, state = w.state, parked = false, unique_held = held, lease = w.lease,
            unique_key = w.unique_key, concurrency_key = w.concurrency_key, cancel = w.cancel, parent = w.parent, failures = w.failures,
            policy = w.policy, result = w.result, payload = w.payload, payload_bytes = decode(w.payload_bytes, 'hex')
          where j.id = w.id;
          exit;
        exception when unique_violation then
          if not held then raise; end if;
          held := false; -- somebody has taken the key since we looked
        end;
      end loop;
      insert into @.tally (lane, pending, running, completed, failed, cancelled)
      values (w.lane, (w.state = 0)::integer, (w.state = 1)::integer, (w.state = 2)::integer, (w.state = 3)::integer, (w.state = 4)::integer);
    end if;
    insert into @.tally (lane, pending, running, completed, failed, cancelled)
    values (old.lane, -(old.state = 0)::integer, -(old.state = 1)::integer, -(old.state = 2)::integer, -(old.state = 3)::integer,
      -(old.state = 4)::integer);
    if old.concurrency_key is not null then
      perform @.unpark(old.queue, old.concurrency_key);
    end if;
    freed := freed or old.state = 1 and w.state is distinct from 1 and (
      old.concurrency_key is not null or exists (select from @.queue u where u.id = old.queue and u.concurrency is not null)
    );
  end loop;
end
$fn$;`
