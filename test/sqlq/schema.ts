/**
 * The objects of sqlq's schema, version 17, as its own migrations leave them: tables, types and indexes as dumped, and functions that do what those
 * of sqlq are known to do, one fault included: `cancelling_job` moves every waiting job.
 */
export const sqlqSchema = `
  create schema sqlq;
  create type sqlq.job_states as enum ('pending', 'running', 'success', 'errored', 'cancelling', 'cancelled');
  create type sqlq.log_level as enum ('debug', 'info', 'warn', 'error');
  create sequence sqlq.job_log_ordering as smallint cycle;
  create table public.sqlq_migrations (
    id bigserial primary key,
    name text unique,
    version integer,
    applied_on timestamptz default now()
  );
  create table sqlq.queues (
    name text primary key,
    description text,
    concurrency integer,
    priority integer not null default 1,
    created_at timestamptz not null default now()
  );
  create table sqlq.jobs (
    id uuid primary key default gen_random_uuid(),
    queue text not null references sqlq.queues (name) on delete cascade,
    typename text not null,
    status sqlq.job_states not null default 'pending',
    priority integer not null default 10,
    parameters jsonb,
    result jsonb,
    max_retries integer default 1,
    attempt integer default 0,
    last_queued_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    started_at timestamptz,
    completed_at timestamptz,
    keepalive_interval bigint not null default 30::numeric * 1000000000::numeric,
    last_keepalive timestamptz,
    run_after bigint default 0,
    retention_ttl bigint not null default 0
  );
  create table sqlq.job_logs (
    id uuid primary key default gen_random_uuid(),
    job uuid not null default gen_random_uuid() references sqlq.jobs (id) on delete cascade,
    logged_at timestamptz default now(),
    level sqlq.log_level,
    message text,
    position smallint not null default nextval('sqlq.job_log_ordering')
  );
  create index ix_jobs_queue_type_status on sqlq.jobs (queue, typename, status);
  create index ix_logs_job on sqlq.job_logs (job);
  create index ix_job_logs_job_level on sqlq.job_logs (job, level);

  create function sqlq.dequeue_job(queues text[], jobtypes text[]) returns setof sqlq.jobs language plpgsql as $$
  begin
    return query
    with waited as (
      select q.name, q.priority, q.concurrency - (select count(*) from sqlq.jobs r where r.queue = q.name and r.status = 'running') as room
      from sqlq.queues q
      where array_length(queues, 1) is null or q.name = any (queues)
    ), chosen as (
      select j.id from sqlq.jobs j join waited w on w.name = j.queue
      where (w.room is null or w.room > 0) and j.status = 'pending'
        and j.last_queued_at + make_interval(secs => j.run_after / 1e9) <= now()
        and (array_length(jobtypes, 1) is null or j.typename = any (jobtypes))
      order by w.priority, j.priority, j.created_at limit 1
    )
    update sqlq.jobs j set status = 'running', started_at = now(), last_keepalive = now(), attempt = j.attempt + 1
    from chosen c where j.id = c.id
    returning j.*;
  end $$;

  create function sqlq.mark_success(job_id uuid, expected sqlq.job_states) returns setof sqlq.jobs language sql as $$
    update sqlq.jobs set status = 'success', completed_at = now() where id = job_id and status = expected returning *
  $$;

  create function sqlq.mark_failed(job_id uuid, expected sqlq.job_states, retry boolean default false, wait bigint default 0)
  returns setof sqlq.jobs language sql as $$
    update sqlq.jobs set
      status = case when retry then 'pending'::sqlq.job_states else 'errored' end,
      last_queued_at = case when retry then now() else last_queued_at end,
      run_after = case when retry then wait else run_after end,
      completed_at = case when retry then completed_at else now() end
    where id = job_id and status = expected
    returning *
  $$;

  create function sqlq.check_job_status(job_id uuid, state sqlq.job_states) returns boolean language sql as $$
    select exists (select from sqlq.jobs where id = job_id and status = state)
  $$;

  create function sqlq.cancelling_job(job_id uuid) returns sqlq.job_states language sql as $$
    update sqlq.jobs set status = 'cancelling' where id = job_id and status = 'running' or status = 'pending' returning status
  $$;

  create function sqlq.reap(queues text[]) returns bigint language sql as $$
    with dead as (
      update sqlq.jobs set
        status = case when attempt < max_retries then 'pending'::sqlq.job_states else 'errored' end,
        completed_at = now()
      where status = 'running' and now() > last_keepalive + make_interval(secs => keepalive_interval / 1e9)
        and (array_length(queues, 1) is null or queue = any (queues))
      returning id
    ), noted as (
      insert into sqlq.job_logs (job, level, message) select id, 'warn', 'job has timed out and is now marked as errored' from dead
    )
    select nullif(count(*), 0) from dead
  $$;

  insert into public.sqlq_migrations (name, version) select 'v' || n || '.sql', n from generate_series(1, 17) n;`
