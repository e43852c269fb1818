import { callersPlans } from './settings.ts'
import { counting, handingOut, inTurn, taking } from './taking.ts'

/**
 * Takes the first due jobs for one lease, in the order of the contract: rank by rank (queue priority, then job priority), within a rank by
 * \`run_at\` and \`seq\`. Every look is at the head of the index job_ready, whose order is the claim order; a row that another claim is taking
 * at this moment is passed over.
 *
 * Claims that must count (a queue with a limit, lanes with concurrency keys) come one after the other for each queue, under an advisory
 * lock that ends with the transaction. A due job whose key is busy is parked: it leaves job_ready until the end of the job it waits for
 * lets it back (\`unpark\`). It is parked only while we hold the row of that job, so that its end cannot pass us unseen.
 *
 * Rows that were looked at are locked by their places (\`ctid\`); the sums in those conditions keep the planner from walking job_ready for it.
 *
 * The last row says when the next job falls due, how many entries of the index were read in vain, and how long it all took, in
 * microseconds: from these the caller sees that the head of the index is full of what is dead but cannot be removed (`heads.ts`).
 */
export const claim: string = `
create or replace function @.claim(
  known_tasks text[], most integer[], of_queues text[], wanted integer, new_lease text, until_at bigint, now_at bigint,
  from_lanes integer[], from_ats bigint[]
) returns setof @.taken language plpgsql ${callersPlans} as $fn$
declare
  started timestamptz := clock_timestamp();
  read_before bigint := pg_stat_get_xact_tuples_returned('@.job_ready'::regclass);
  start_at constant bigint := -9223372036854775808;
  asked constant integer := wanted;
  lanes integer[];
  tasks integer[];
  queues integer[];
  froms bigint[];
  keyed boolean[];
  firsts integer[];
  counted integer[];
  rooms integer[];
  task_left integer[] := most;
  task_now integer[];
  room_now integer[];
  a integer;
  z integer;
  i integer;
  q integer;
  size integer;
  seen integer;
  got integer;
  ready integer[];
  span integer;
  asked_now integer;
  wanting integer := 0;
  parked integer := 0;
  pos_at bigint;
  pos_seq bigint;
  picked tid[];
  parking tid[];
  busy text[];
  c record;
  r record;
  next_at bigint;
begin
  select array_agg(l.id order by l.qp, l.lp, l.id), array_agg(l.n order by l.qp, l.lp, l.id), array_agg(l.queue order by l.qp, l.lp, l.id),
    array_agg(l.keyed order by l.qp, l.lp, l.id), array_agg(l.from_at order by l.qp, l.lp, l.id),
    array_agg(l.rank order by l.qp, l.lp, l.id), array_agg(distinct l.queue) filter (where l.keyed or l.concurrency is not null)
  into lanes, tasks, queues, keyed, froms, firsts, counted
  from (
    select l.id, l.queue, l.keyed, u.concurrency, u.priority as qp, l.priority as lp, coalesce(t.n, 1)::integer as n,
      coalesce(f.at, start_at) as from_at, dense_rank() over (order by u.priority, l.priority)::integer as rank
    from @.lane l
      join @.queue u on u.id = l.queue
      left join unnest(known_tasks) with ordinality as t (task, n) on t.task = l.task
      left join unnest(from_lanes, from_ats) as f (lane, at) on f.lane = l.id
    where not u.paused and (known_tasks is null or t.n is not null) and (of_queues is null or u.name = any(of_queues))
  ) l;
  if lanes is null then
    return query select null::text, 0, null::bigint, 0, 0, 0, 0::bigint, null::text, null::text;
    return;
  end if;
  if task_left is null then
    task_left := array[wanted];
  end if;

  if counted is not null and wanted > 0 then
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
      -- It would count by what there was before the lock was ours. The caller comes again and says which isolation it wants.
      raise exception 'a claim that counts has to be read committed' using errcode = '40001';
    end if;
    foreach q in array counted loop
      perform pg_advisory_xact_lock('@.job'::regclass::oid::integer, q);
    end loop;
    select array_agg(coalesce(u.concurrency - (
        select count(*) from @.lane l join @.job j on j.lane = l.id and j.state = 1 where l.queue = u.id and u.concurrency is not null
      )::integer, wanted) order by u.id)
    into rooms
    from @.queue u where u.id = any(counted);
  end if;

  z := 0;
  while z < cardinality(lanes) and wanted > 0 loop
    a := z + 1;
    z := a;
    while z < cardinality(lanes) and firsts[z + 1] = firsts[a] loop
      z := z + 1;
    end loop;

    if a = z and not keyed[a] then -- a lane alone: straight from the index
      size := least(wanted, task_left[tasks[a]]);
      q := array_position(counted, queues[a]);
      if q is not null then
        size := least(size, rooms[q]);
      end if;
      if size > 0 then
        wanting := wanting + size;
        return query select * from @.take_from_lane(lanes[a], size, froms[a], new_lease, until_at, now_at);
        get diagnostics got = row_count;
        wanted := wanted - got;
        task_left[tasks[a]] := task_left[tasks[a]] - got;
        if q is not null then
          rooms[q] := rooms[q] - got;
        end if;
      end if;
      continue;
    end if;

    pos_at := start_at;
    pos_seq := -1;
    size := wanted;
    busy := '{}';
    loop
      ready := array(
        select s.i from generate_series(a, z) as s (i)
        where task_left[tasks[s.i]] > 0 and coalesce(rooms[array_position(counted, queues[s.i])], 1) > 0
      );
      exit when cardinality(ready) = 0 or wanted <= 0;
      span := size;
      wanting := wanting + span * cardinality(ready);
      task_now := task_left;
      room_now := rooms;
      picked := '{}';
      parking := '{}';
      seen := 0;
      for c in
        select n.* from unnest(ready) as o (i) cross join lateral (
          select o.i, j.ctid as place, j.run_at, j.seq, j.concurrency_key from @.job j
          where j.state = 0 and not j.parked and j.lane = lanes[o.i] and j.run_at <= now_at
            and (j.run_at, j.seq) > (greatest(pos_at, froms[o.i]), case when froms[o.i] > pos_at then -1 else pos_seq end)
          order by j.run_at, j.seq
          limit span
        ) n
        order by n.run_at, n.seq
        limit span
      loop
        seen := seen + 1;
        pos_at := c.run_at;
        pos_seq := c.seq;
        i := c.i;
        q := array_position(counted, queues[i]);
        continue when task_now[tasks[i]] <= 0 or room_now[q] <= 0;
        if c.concurrency_key is not null then
          if queues[i] || ' ' || c.concurrency_key = any(busy) then
            parking := parking || c.place;
            continue;
          end if;
          if exists (select from @.job j where j.state = 1 and j.queue = queues[i] and j.concurrency_key = c.concurrency_key) then
            -- Its end may be under way: then it could not let back what we park.
            perform from @.job j where j.state = 1 and j.queue = queues[i] and j.concurrency_key = c.concurrency_key for share skip locked;
            if found then
              busy := busy || (queues[i] || ' ' || c.concurrency_key);
              parking := parking || c.place;
            end if;
            continue;
          end if;
          busy := busy || (queues[i] || ' ' || c.concurrency_key);
        end if;
        task_now[tasks[i]] := task_now[tasks[i]] - 1;
        if q is not null then
          room_now[q] := room_now[q] - 1;
        end if;
        picked := picked || c.place;
        exit when cardinality(picked) = wanted;
      end loop;

      asked_now := wanted;
      got := 0;
      for r in
        with turn as materialized (
          select j.ctid from @.job j where j.ctid = any (picked) and j.state + 0 = 0 and j.parked::integer = 0 for update skip locked
        ), u as (
          update @.job j ${taking}
          where j.ctid = any (array(select turn.ctid from turn))
          returning ${handingOut}
        ), counted as (
          ${counting}
        )
        select row(${inTurn})::@.taken as job, u.lane from u order by u.run_at, u.seq
      loop
        got := got + 1;
        i := array_position(lanes, r.lane);
        task_left[tasks[i]] := task_left[tasks[i]] - 1;
        q := array_position(counted, queues[i]);
        if q is not null then
          rooms[q] := rooms[q] - 1;
        end if;
        return next r.job;
      end loop;
      wanted := wanted - got;
      if cardinality(parking) > 0 then
        update @.job j set parked = true
        where j.ctid = any (array(
          select j.ctid from @.job j where j.ctid = any (parking) and j.state + 0 = 0 and j.parked::integer = 0 for update skip locked
        ));
        size := least(1000, size * 2); -- through a backlog of one key in long strides
        parked := parked + cardinality(parking);
        if parked >= 5000 then -- but no claim is to take for ever: the next goes on from here
          next_at := now_at;
          exit;
        end if;
      end if;
      exit when seen < span and cardinality(picked) < asked_now; -- there was no more to look at
    end loop;
    exit when next_at is not null;
  end loop;

  if next_at is null and (wanted > 0 or asked <= 0) then
    select min(n.run_at) into next_at from unnest(lanes) as o (lane) cross join lateral (
      select j.run_at from @.job j
      where j.state = 0 and not j.parked and j.lane = o.lane and j.run_at > now_at
      order by j.run_at
      limit 1
    ) n;
  end if;
  read_before := pg_stat_get_xact_tuples_returned('@.job_ready'::regclass) - read_before;
  return query select null::text, 0, next_at, 0, least(read_before - wanting - cardinality(lanes), 1000000000)::integer, 0,
    (extract(epoch from clock_timestamp() - started) * 1000000)::bigint, null::text, null::text;
end
$fn$;`
