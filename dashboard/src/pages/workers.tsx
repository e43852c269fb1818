import type { JSX } from 'preact'

import type { WorkerList, WorkerView } from '../../../src/dashboard/shapes.ts'
import { jobAddress } from '../address.ts'
import { count, jobs, length } from '../format.ts'
import { Heading } from '../page.tsx'
import { Empty, Failed, Loading, Stale } from '../parts/condition.tsx'
import { Copy } from '../parts/copy.tsx'
import { Since, Time } from '../parts/time.tsx'
import { Reader, useEvery, useReading } from '../reader.ts'
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
  useEvery(2_500, again) // what a worker tells of itself rings no bell
  const hands = data?.workers.reduce((sum, worker) => sum + worker.running, 0) ?? 0
  return (
    <>
      <Heading
        title="Workers"
        note={data === undefined ? undefined : `${count(data.workers.length)} alive, ${jobs(hands)} in hand`}
      />
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
        {data?.workers.map((worker) => (
          <WorkerCard key={worker.id} worker={worker} />
        ))}
      </div>
    </>
  )
}

function WorkerCard({ worker }: { readonly worker: WorkerView }): JSX.Element {
  const { running, concurrency } = worker
  const name = `${worker.host} · ${worker.pid}`
  return (
    <section class="panel worker" aria-label={`Worker ${name}`}>
      <header class="panel-head">
        <span class={worker.state === 'working' ? 'light on' : 'light'} aria-hidden="true" />
        <h2 title={`Host and process, jobferry ${worker.version}`}>{name}</h2>
        {worker.state === 'stopping' && <span class="tag warn">stopping</span>}
        <span class="grow" />
        <span class="muted">
          up for <Since at={worker.startedAt} />
        </span>
      </header>
      <p class="worker-load">
        <strong>{count(running)}</strong> of {count(concurrency)} in hand
        <span class="bar" aria-hidden="true">
          <span class="bar-part running" style={{ width: `${Math.min(100, (running / concurrency) * 100)}%` }} />
        </span>
      </p>
      {worker.runs.length > 0 && <Runs worker={worker} />}
      {worker.tasks.length > 0 && <TaskTable name={name} tasks={worker.tasks} />}
      <footer class="worker-foot">
        <span>{worker.queues === null ? 'all queues' : `queues: ${worker.queues.join(', ')}`}</span>
        <span class="grow" />
        <span>
          told <Time at={worker.toldAt} />
        </span>
        <span class="id">
          {worker.id} <Copy text={worker.id} label="worker’s id" />
        </span>
      </footer>
    </section>
  )
}

function Runs({ worker }: { readonly worker: WorkerView }): JSX.Element {
  return (
    <ul class="hands">
      {worker.runs.map((run) => (
        <li key={run.id}>
          <a href={jobAddress(run.id)}>{run.task}</a>
          <span class="id">{run.id}</span>
          {run.attempt > 1 && <span class="tag">attempt {run.attempt}</span>}
          <span class="grow" />
          <span class="muted">
            for <Since at={run.since} />
          </span>
        </li>
      ))}
    </ul>
  )
}

function TaskTable(props: { readonly name: string; readonly tasks: WorkerView['tasks'] }): JSX.Element {
  return (
    <div class="scroll-x">
      <table class="plain" aria-label={`Tasks of ${props.name}`}>
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
          {props.tasks.map((task) => (
            <tr key={task.task}>
              <td>{task.task}</td>
              <td class="number">{count(task.completed)}</td>
              <td class={task.failed > 0 ? 'number failed' : 'number none'}>{count(task.failed)}</td>
              <Lengths mean={task.waitMs} p95={task.waitP95Ms} />
              <Lengths mean={task.runMs} p95={task.runP95Ms} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Lengths({ mean, p95 }: { readonly mean: number | null; readonly p95: number | null }): JSX.Element {
  if (mean === null) return <td class="number none">–</td>
  return (
    <td class="number" title={p95 === null ? undefined : `95 of 100 within ${length(p95)}`}>
      {length(mean)}
    </td>
  )
}
