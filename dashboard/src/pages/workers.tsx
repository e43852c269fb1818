import type { JSX } from 'preact'

import type { WorkerList, WorkerView } from '../../../src/dashboard/shapes.ts'
import { jobAddress } from '../address.ts'
import { count, length } from '../format.ts'
import { Heading } from '../page.tsx'
import { Empty, Failed, Loading, Stale } from '../parts/condition.tsx'
import { Copy } from '../parts/copy.tsx'
import { Since, Time } from '../parts/time.tsx'
import { Reader, useReading } from '../reader.ts'
import { useCan } from '../session.ts'

const lists = new Reader<WorkerList>()

/** The workers heard of lately, and what each has in hand. */
export function WorkersPage(): JSX.Element {
  const can = useCan()
  return can('workers') ? (
    <Workers />
  ) : (
    <>
      <Heading title="Workers" />
      <Empty icon="workers" title="This store does not know its workers">
        <p>They run all the same. What they have in hand is among the running jobs.</p>
      </Empty>
    </>
  )
}

function Workers(): JSX.Element {
  const { data, error, again } = useReading(lists, 'api/workers')
  const alive = data?.workers.filter((worker) => worker.alive) ?? []
  const silent = data?.workers.filter((worker) => !worker.alive) ?? []
  return (
    <>
      <Heading title="Workers" note={data === undefined ? undefined : `${count(alive.length)} alive`} />
      {data === undefined && error === undefined && <Loading />}
      {data === undefined && error !== undefined && <Failed error={error} again={again} />}
      {data !== undefined && error !== undefined && <Stale error={error} again={again} />}
      {data?.workers.length === 0 && (
        <section class="panel">
          <Empty icon="workers" title="No worker is alive">
            <p>Jobs wait until one is started that knows their tasks.</p>
          </Empty>
        </section>
      )}
      <div class="workers">
        {[...alive, ...silent].map((worker) => (
          <WorkerCard key={worker.id} worker={worker} />
        ))}
      </div>
    </>
  )
}

function WorkerCard({ worker }: { readonly worker: WorkerView }): JSX.Element {
  const { running, concurrency, tasks } = worker
  const name = nameOf(worker)
  return (
    <section class={worker.alive ? 'panel worker' : 'panel worker silent'} aria-label={`Worker ${name}`}>
      <header class="panel-head">
        <span class={worker.alive ? 'light on' : 'light'} aria-hidden="true" />
        <h2>{name}</h2>
        {worker.stopping && <span class="tag warn">stopping</span>}
        {!worker.alive && <span class="tag warn">silent</span>}
        <span class="grow" />
        <span class="muted">
          {worker.alive ? 'up for ' : 'last seen '}
          {worker.alive ? <Since at={worker.startedAt} /> : <Time at={worker.seenAt} />}
        </span>
      </header>
      <p class="worker-load">
        <strong>
          {running.length} of {count(concurrency)}
        </strong>{' '}
        in hand
        <meter
          min={0}
          max={Math.max(1, concurrency)}
          value={Math.min(running.length, concurrency)}
          aria-label={`${running.length} of ${concurrency} in hand`}
        />
      </p>
      {running.length > 0 && (
        <ul class="hands">
          {running.map((job) => (
            <li key={job.id}>
              <a href={jobAddress(job.id)}>{job.task}</a>
              <span class="id">{job.id}</span>
              <span class="grow" />
              <span class="muted">
                for <Since at={job.startedAt} />
              </span>
            </li>
          ))}
        </ul>
      )}
      {tasks.length > 0 && (
        <table class="plain" aria-label={`Tasks of ${name}`}>
          <thead>
            <tr>
              <th>Since it started</th>
              <th class="number">completed</th>
              <th class="number">failed</th>
              <th class="number">waited</th>
              <th class="number">ran</th>
            </tr>
          </thead>
          <tbody>
            {tasks.map((task) => (
              <tr key={task.task}>
                <td>{task.task}</td>
                <td class="number">{count(task.completed)}</td>
                <td class={task.failed > 0 ? 'number failed' : 'number none'}>{count(task.failed)}</td>
                <td class="number">{task.waitMs === null ? '–' : length(task.waitMs)}</td>
                <td class="number">{task.runMs === null ? '–' : length(task.runMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <footer class="worker-foot">
        <span>{worker.queues === null ? 'all queues' : `queues: ${worker.queues.join(', ')}`}</span>
        <span class="grow" />
        <span class="id">
          {worker.id} <Copy text={worker.id} label="worker’s id" />
        </span>
      </footer>
    </section>
  )
}

function nameOf({ host, pid, id }: WorkerView): string {
  if (host === null) return pid === null ? id : `process ${pid}`
  return pid === null ? host : `${host}, process ${pid}`
}
