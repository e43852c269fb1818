/** The versions of Que's schema that a guest knows. */
export type QueVersion = 3 | 4 | 5 | 6 | 7

/**
 * The objects of Que's schema, as its own migrations leave them in the schema `public`: the tables, checks and indexes as dumped, and functions
 * that do what those of Que are known to do.
 */
export function queSchema(version: QueVersion): string {
  return version === 3 ? version3 : later(version)
}

const version3 = `
  create table que_jobs (
    priority smallint not null default 100,
    run_at timestamptz not null default now(),
    job_id bigserial not null,
    job_class text not null,
    args json not null default '[]'::json,
    error_count integer not null default 0,
    last_error text,
    queue text not null default '',
    constraint que_jobs_pkey primary key (queue, priority, run_at, job_id)
  );
  comment on table que_jobs is '3';`

function later(version: 4 | 5 | 6 | 7): string {
  const versioned = version > 4
  const keywords = version > 5
  const unlessSkipped = version > 6 ? `when (not coalesce(current_setting('que.skip_notify', true), '') = 'true')` : ''
  return `
  create function que_validate_tags(tags jsonb) returns boolean language sql as $$
    select bool_and(jsonb_typeof(t.value) = 'string' and char_length(t.value::text) <= 100) from jsonb_array_elements(tags) t (value)
  $$;
  create table que_jobs (
    priority smallint not null default 100,
    run_at timestamptz not null default now(),
    id bigserial not null,
    job_class text not null,
    error_count integer not null default 0,
    last_error_message text,
    queue text not null default 'default',
    last_error_backtrace text,
    finished_at timestamptz,
    expired_at timestamptz,
    args jsonb not null default '[]'::jsonb,
    data jsonb not null default '{}'::jsonb
    ${versioned ? `, job_schema_version integer ${keywords ? 'not null' : 'default 1'}` : ''}
    ${keywords ? `, kwargs jsonb not null default '{}'::jsonb` : ''},
    constraint que_jobs_pkey primary key (id),
    constraint error_length check (char_length(last_error_message) <= 500 and char_length(last_error_backtrace) <= 10000),
    constraint job_class_length check (char_length(
      case job_class
        when 'ActiveJob::QueueAdapters::QueAdapter::JobWrapper' then args -> 0 ->> 'job_class'
        else job_class
      end) <= 200),
    constraint queue_length check (char_length(queue) <= 100),
    constraint valid_args check (jsonb_typeof(args) = 'array'),
    constraint valid_data check (jsonb_typeof(data) = 'object' and (not data ? 'tags' or (
      jsonb_typeof(data -> 'tags') = 'array' and jsonb_array_length(data -> 'tags') <= 5 and que_validate_tags(data -> 'tags'))))
  ) with (fillfactor = 90);
  comment on table que_jobs is '${version}';
  create unlogged table que_lockers (
    pid integer not null primary key,
    worker_count integer not null,
    worker_priorities integer[] not null,
    ruby_pid integer not null,
    ruby_hostname text not null,
    queues text[] not null,
    listening boolean not null
    ${versioned ? ', job_schema_version integer default 1' : ''},
    constraint valid_queues check (array_ndims(queues) = 1 and array_length(queues, 1) is not null),
    constraint valid_worker_priorities check (array_ndims(worker_priorities) = 1 and array_length(worker_priorities, 1) is not null)
  );
  create table que_values (
    key text not null primary key,
    value jsonb not null default '{}'::jsonb,
    constraint valid_value check (jsonb_typeof(value) = 'object')
  ) with (fillfactor = 90);
  create index que_jobs_args_gin_idx on que_jobs using gin (args jsonb_path_ops);
  create index que_jobs_data_gin_idx on que_jobs using gin (data jsonb_path_ops);
  ${keywords ? 'create index que_jobs_kwargs_gin_idx on que_jobs using gin (kwargs jsonb_path_ops);' : ''}
  ${keywords ? '' : 'create index que_poll_idx on que_jobs (queue, priority, run_at, id) where finished_at is null and expired_at is null;'}
  ${
    versioned
      ? `create index ${keywords ? 'que_poll_idx' : 'que_poll_idx_with_job_schema_version'}
        on que_jobs (job_schema_version, queue, priority, run_at, id) where finished_at is null and expired_at is null;`
      : ''
  }

  create function que_determine_job_state(job que_jobs) returns text language sql as $$
    select case
      when job.expired_at is not null then 'expired'
      when job.finished_at is not null then 'finished'
      when job.error_count > 0 then 'errored'
      when job.run_at > now() then 'scheduled'
      else 'ready' end
  $$;

  create function que_job_notify() returns trigger language plpgsql as $$
  declare
    listener integer;
    total integer;
  begin
    if new.run_at > now() then return null; end if;
    create temporary table if not exists seat (pid integer, n bigint) on commit drop;
    delete from seat;
    insert into seat
      select l.pid, row_number() over (order by md5(l.pid::text || s.id::text)) - 1
      from que_lockers l cross join lateral generate_series(1, l.worker_count) s (id)
      where l.listening and l.queues @> array[new.queue] ${versioned ? 'and l.job_schema_version = new.job_schema_version' : ''};
    select count(*) into total from seat;
    if total = 0 then return null; end if;
    select pid into listener from seat where n = new.id % total;
    perform pg_notify('que_listener_' || listener, json_build_object(
      'message_type', 'job_available', 'queue', new.queue, 'priority', new.priority, 'id', new.id,
      'run_at', to_char(new.run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text);
    return null;
  end $$;

  create function que_state_notify() returns trigger language plpgsql as $$
  declare
    was text := case when tg_op = 'INSERT' then 'nonexistent' else que_determine_job_state(old) end;
    now_is text := case when tg_op = 'DELETE' then 'nonexistent' else que_determine_job_state(new) end;
  begin
    if was <> now_is then
      perform pg_notify('que_state', json_build_object('message_type', 'job_change', 'id', coalesce(new.id, old.id),
        'previous_state', was, 'current_state', now_is)::text);
    end if;
    return null;
  end $$;

  create trigger que_job_notify after insert on que_jobs for each row ${unlessSkipped} execute function que_job_notify();
  create trigger que_state_notify after insert or update or delete on que_jobs for each row ${unlessSkipped} execute function que_state_notify();`
}
