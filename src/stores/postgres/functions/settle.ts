import { callersPlans } from './settings.ts'

/**
 * Stores the hot ends of many runs, each guarded by its \`rev\` and its lease: rows that are removed, and rows that only end. No job is in
 * it twice, and
 * the ids are in order: so two calls that meet lock the same rows one after the other, and not each other.
 *
 * A crash of the server may undo a claim, and another claim then makes the same \`rev\` again: only the lease tells the two apart.
 *
 * Says which were refused, and whether a job stopped running that a key or a limit counted.
 */
export const settle: string = `
create or replace function @.settle(
  gone_ids text[], gone_revs integer[], gone_leases text[],
  end_ids text[], end_revs integer[], end_leases text[], end_states smallint[], finished_ats bigint[], forget_ats bigint[], results text[], cancels text[],
  out refused text[], out freed boolean
) language plpgsql ${callersPlans} as $fn$
declare
  gone text[];
  ended text[];
  queues integer[];
  keys text[];
  more_queues integer[];
  more_keys text[];
  running integer[];
  more_running integer[];
begin
  freed := false;
  refused := '{}';
  if gone_ids is not null then
    with w as (
      delete from @.job j using unnest(gone_ids, gone_revs, gone_leases) as n (id, rev, lease)
      where j.id = n.id and j.rev = n.rev and j.lease is not distinct from n.lease
      returning j.id, j.lane, j.queue, j.state, j.concurrency_key
    ), counted as (
      insert into @.tally (lane, pending, running, completed, failed, cancelled)
      select w.lane, -count(*) filter (where w.state = 0), -count(*) filter (where w.state = 1), -count(*) filter (where w.state = 2),
        -count(*) filter (where w.state = 3), -count(*) filter (where w.state = 4)
      from w group by w.lane
    )
    select array_agg(w.id), array_agg(w.queue) filter (where w.concurrency_key is not null),
      array_agg(w.concurrency_key) filter (where w.concurrency_key is not null), array_agg(distinct w.queue) filter (where w.state = 1)
    into gone, queues, keys, running from w;
    if coalesce(cardinality(gone), 0) < cardinality(gone_ids) then
      refused := array(select unnest(gone_ids) except select unnest(gone));
    end if;
    if gone is not null and exists (select from @.log) then
      delete from @.log l where l.job = any (gone);
    end if;
  end if;

  if end_ids is not null then
    with w as (
      update @.job j
      set state = n.state, rev = j.rev + 1, lease = null, lease_until = null, finished_at = n.finished_at, forget_at = n.forget_at,
        result = n.result, cancel = n.cancel
      from unnest(end_ids, end_revs, end_leases, end_states, finished_ats, forget_ats, results, cancels)
        as n (id, rev, lease, state, finished_at, forget_at, result, cancel)
      where j.id = n.id and j.rev = n.rev and j.lease = n.lease
      returning j.id, j.lane, j.queue, j.state, j.concurrency_key
    ), counted as (
      insert into @.tally (lane, running, completed, failed, cancelled)
      select w.lane, -count(*), count(*) filter (where w.state = 2), count(*) filter (where w.state = 3), count(*) filter (where w.state = 4)
      from w group by w.lane
    )
    select array_agg(w.id), array_agg(w.queue) filter (where w.concurrency_key is not null),
      array_agg(w.concurrency_key) filter (where w.concurrency_key is not null), array_agg(distinct w.queue)
    into ended, more_queues, more_keys, more_running from w;
    if coalesce(cardinality(ended), 0) < cardinality(end_ids) then
      refused := refused || array(select unnest(end_ids) except select unnest(ended));
    end if;
  end if;

  queues := queues || more_queues;
  keys := keys || more_keys;
  if keys is not null then
    freed := true;
    perform @.unpark(n.queue, n.key) from (select distinct * from unnest(queues, keys) as n (queue, key)) n;
  end if;
  if not freed and (running is not null or more_running is not null) then
    freed := exists (select from @.queue u where u.id = any (running || more_running) and u.concurrency is not null);
  end if;
end
$fn$;`
