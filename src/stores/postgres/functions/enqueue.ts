/**
 * Enqueues a job from SQL: from a trigger, psql, or a program in any language, as a part of whatever transaction it stands in. Answers with
 * the job's id; with that of the holder when the unique key is held. \`unique_until\` is \`claimed\` or \`settled\`.
 */
export const enqueue: string = `
create or replace function @.new_id(now_at bigint) returns text language sql volatile set search_path = pg_catalog as $fn$
  -- As core/id.ts makes them: 9 digits of base 32 for the milliseconds, 12 by chance.
  select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + ((now_at >> (5 * n)) & 31)::integer, 1), '' order by n desc)
    || (select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + floor(random() * 32)::integer, 1), '') from generate_series(1, 12))
  from generate_series(0, 8) as d (n)
$fn$;

create or replace function @.enqueue(
  task text,
  payload json default null,
  queue text default 'default',
  run_at timestamptz default null,
  priority integer default 0,
  max_attempts integer default 5,
  unique_key text default null,
  unique_until text default 'claimed',
  concurrency_key text default null
) returns text language plpgsql set search_path = pg_catalog as $fn$
#variable_conflict use_variable
declare
  now_at bigint := floor(extract(epoch from clock_timestamp()) * 1000)::bigint;
  new_id text;
  lane record;
  holder json;
begin
  if task is null or length(task) not between 1 and 255 then
    raise exception 'Expected task to be text of 1 to 255 characters, got %', coalesce(quote_literal(task), 'null') using errcode = '22023';
  end if;
  if queue is null or length(queue) > 255 then
    raise exception 'Expected queue to be text of at most 255 characters, got %', coalesce(quote_literal(queue), 'null') using errcode = '22023';
  end if;
  if priority is null or priority not between -32768 and 32767 then
    raise exception 'Expected priority to be a whole number from -32768 to 32767, got %', coalesce(priority::text, 'null') using errcode = '22023';
  end if;
  if max_attempts is null or max_attempts not between 1 and 10000 then
    raise exception 'Expected max_attempts to be a whole number from 1 to 10000, got %', coalesce(max_attempts::text, 'null') using errcode = '22023';
  end if;
  if unique_until is null or unique_until not in ('claimed', 'settled') then
    raise exception 'Expected unique_until to be ''claimed'' or ''settled'', got %', coalesce(quote_literal(unique_until), 'null') using errcode = '22023';
  end if;
  if octet_length(payload::text) > 1048576 then
    raise exception 'Expected payload to be at most 1 MiB, got % bytes', octet_length(payload::text) using errcode = '22023';
  end if;
  select l.lane_id::integer as id, l.queue_id::integer as queue into lane
  from @.lanes_of(array[queue], array[task], array[priority], array[concurrency_key is not null]) l;
  new_id := @.new_id(now_at);
  select (@.insert_each(json_build_array(json_build_object(
    'id', new_id, 'run_at', coalesce(floor(extract(epoch from run_at) * 1000)::bigint, now_at), 'created_at', now_at,
    'lane', lane.id, 'queue', lane.queue, 'attempt', 0, 'max_attempts', max_attempts, 'rev', 0, 'state', 0,
    'unique_held', unique_key is not null, 'unique_key', unique_key,
    'unique_until', case when unique_key is not null then case unique_until when 'claimed' then 0 else -1 end end,
    'concurrency_key', concurrency_key, 'payload', coalesce(payload::text, '')
  )), now_at))[1] into holder;
  if json_typeof(holder) = 'array' then
    return holder ->> 0;
  end if;
  perform pg_notify('@channel', 'jobs');
  return new_id;
end
$fn$;`
