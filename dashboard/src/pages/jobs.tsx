import type { JSX } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'

import type { JobPage, JobRow } from '../../../src/dashboard/shapes.ts'
import { go } from '../address.ts'
import { useCell } from '../cell.ts'
import { now, second } from '../clock.ts'
import { overview } from '../feed.ts'
import { capital, count, short } from '../format.ts'
import { useGentleRows } from '../gentle.ts'
import { useKeys } from '../keys.ts'
import { Heading } from '../page.tsx'
import { Empty, Failed, Loading, Stale } from '../parts/condition.tsx'
import { Icon } from '../parts/icon.tsx'
import { JobFilters } from '../parts/job-filters.tsx'
import { JobTable } from '../parts/job-table.tsx'
import { SelectionBar } from '../parts/selection-bar.tsx'
import { stateIcons, states } from '../parts/state.tsx'
import { Reader, useReading } from '../reader.ts'
import { useSelection } from '../selection.ts'
import { useCan, useSession } from '../session.ts'
import {
  countsOf,
  narrowed,
  shownPage,
  type ShownPage,
  totalOf,
  type View,
  viewAddress,
  viewOf,
  viewPath,
} from '../view.ts'

const pages = new Reader<JobPage>()
/** A search reads many jobs to show few, so it is made anew less often, in milliseconds. */
const searchMs = 6_000

/** Jobs by state and filter, page by page. */
export function JobsPage({ query }: { readonly query: URLSearchParams }): JSX.Element {
  const view = viewOf(query)
  const can = useCan()
  return (
    <>
      <Heading title={view.state === undefined ? 'Jobs' : `${capital(view.state)} jobs`} shown="Jobs">
        {can('enqueue') && (
          <a class="button primary" href="enqueue">
            <Icon name="plus" /> Enqueue
          </a>
        )}
      </Heading>
      {can('list') ? (
        <JobList view={view} />
      ) : (
        <Empty icon="jobs" title="This store keeps no list">
          <p>It can hold and run jobs, but not look through them. A job’s page opens by its id.</p>
        </Empty>
      )}
    </>
  )
}

function JobList({ view }: { readonly view: View }): JSX.Element {
  useCell(second) // what was created within the last hour is so from now
  const minute = Math.floor(now() / 60_000) * 60_000
  const { limits } = useSession()
  const size = Math.min(50, limits.pageSize - 1)
  const can = useCan()
  const queues = useCell(overview)?.queues
  const path = viewPath(view, size, minute)
  const { data, error, again } = useReading(pages, path, view.text === undefined ? undefined : searchMs)
  const page = data === undefined ? undefined : shownPage(data, view, size)

  const filterKey = viewAddress({ ...view, after: undefined, before: undefined, order: undefined })
  const selection = useSelection(filterKey)
  const [touched, setTouched] = useState(false)
  const list = useGentleRows(viewAddress(view), page?.jobs, touched || selection.size > 0)
  const { rows, gone, added, accept } = list
  const table = useRef<HTMLDivElement>(null)
  useRowKeys(table, rows, selection.toggle, selection.clear, selection.togglePage)
  usePageKeys(view, page)

  // The page before the first one is the first one.
  const beyond = page?.first === true
  useLayoutEffect(() => {
    if (beyond) go(viewAddress({ ...view, before: undefined }), 'replace')
  }, [beyond])

  const choice = can('bulk')
    ? {
        has: (id: string) => selection.has(id),
        toggle: (id: string, range: boolean) => selection.toggle(id, range ? rows.map((row) => row.id) : undefined),
        page: selection.ofPage(rows.map((row) => row.id)),
        togglePage: () => selection.togglePage(rows.map((row) => row.id)),
      }
    : undefined
  return (
    <>
      <StateTabs view={view} />
      <JobFilters view={view} />
      {error !== undefined && page !== undefined && <Stale error={error} again={again} />}
      {error !== undefined && page === undefined && <Failed error={error} again={again} />}
      {page === undefined && error === undefined && rows.length === 0 && <Loading lines={10} />}
      {rows.length > 0 && (error === undefined || page !== undefined) && (
        <div
          ref={table}
          class={page === undefined ? 'panel list busy' : 'panel list'}
          aria-busy={page === undefined}
          onPointerEnter={(event) => event.pointerType === 'mouse' && setTouched(true)}
          onPointerLeave={() => setTouched(false)}
        >
          <JobTable label="Jobs" rows={rows} choice={choice} gone={gone} />
          <ListFoot view={view} page={page} added={added} gone={gone.size} accept={accept} />
        </div>
      )}
      {page !== undefined && rows.length === 0 && <NoJobs view={view} page={page} />}
      {choice !== undefined && selection.size > 0 && (
        <SelectionBar
          view={view}
          minute={minute}
          selection={selection}
          rows={rows}
          total={totalOf(view, queues)}
          more={page?.next !== undefined || view.after !== undefined || view.before !== undefined}
        />
      )}
    </>
  )
}

function StateTabs({ view }: { readonly view: View }): JSX.Element {
  const counts = countsOf(view, useCell(overview)?.queues)
  const tabs = useRef<HTMLElement>(null)
  useLayoutEffect(() => {
    tabs.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [view.state])
  const to = (state: View['state']): string => viewAddress({ ...view, state, after: undefined, before: undefined })
  return (
    <nav class="tabs" aria-label="States" ref={tabs}>
      <a href={to(undefined)} aria-current={view.state === undefined ? 'page' : undefined}>
        All
      </a>
      {states.map((state) => (
        <a key={state} class={state} href={to(state)} aria-current={view.state === state ? 'page' : undefined}>
          <Icon name={stateIcons[state]} />
          {capital(state)}
          {counts !== undefined && (
            <span class="count" title={count(counts[state])}>
              {short(counts[state])}
            </span>
          )}
        </a>
      ))}
    </nav>
  )
}

function ListFoot(props: {
  readonly view: View
  readonly page: ShownPage | undefined
  readonly added: number
  readonly gone: number
  readonly accept: () => void
}): JSX.Element {
  const { view, page, added, gone, accept } = props
  const steps = page === undefined ? {} : stepsOf(view, page)
  const [back, on] = view.order === 'oldest' ? ['Older', 'Newer'] : ['Newer', 'Older']
  const news = [added > 0 && `${added} new`, gone > 0 && `${gone} moved on`].filter((part) => part !== false)
  return (
    <footer class="list-foot">
      {page?.searched != null && <span class="muted">{count(page.searched)} looked through</span>}
      {news.length > 0 && (
        <button type="button" class="news" onClick={accept}>
          <Icon name="retry" /> {news.join(', ')}
        </button>
      )}
      <span class="grow" />
      <a
        class="link order"
        title={view.order === 'oldest' ? 'Show the newest first' : 'Show the oldest first'}
        href={viewAddress({
          ...view,
          order: view.order === 'oldest' ? undefined : 'oldest',
          after: undefined,
          before: undefined,
        })}
      >
        <Icon name="swap" /> {view.order === 'oldest' ? 'Oldest first' : 'Newest first'}
      </a>
      <nav class="pager" aria-label="Pages of the list">
        <Step to={steps.back} text={back ?? ''} icon="left" />
        <Step to={steps.on} text={on ?? ''} icon="right" />
      </nav>
    </footer>
  )
}

function Step(props: {
  readonly to: string | undefined
  readonly text: string
  readonly icon: 'left' | 'right'
}): JSX.Element {
  const inside = (
    <>
      {props.icon === 'left' && <Icon name="left" />}
      {props.text}
      {props.icon === 'right' && <Icon name="right" />}
    </>
  )
  return props.to === undefined ? (
    <span class="button small off" aria-disabled="true">
      {inside}
    </span>
  ) : (
    <a class="button small" href={props.to}>
      {inside}
    </a>
  )
}

/** Where the pages beside this one are. A search may have looked through many jobs for few rows, so it goes back to its beginning. */
function stepsOf(view: View, page: ShownPage): { readonly back?: string; readonly on?: string } {
  const first = page.jobs[0]?.id
  const away = view.after !== undefined || view.before !== undefined
  const start = { ...view, after: undefined, before: undefined }
  const back = view.text !== undefined || first === undefined ? start : { ...start, before: first }
  return {
    ...(away && { back: viewAddress(back) }),
    ...(page.next !== undefined && { on: viewAddress({ ...start, after: page.next }) }),
  }
}

function NoJobs({ view, page }: { readonly view: View; readonly page: ShownPage }): JSX.Element {
  const { back, on } = stepsOf(view, page)
  if (page.searched !== null && on !== undefined)
    return (
      <Empty icon="search" title={`Not among the first ${count(page.searched)} jobs`}>
        <a class="button" href={on}>
          Look further
        </a>
      </Empty>
    )
  if (back !== undefined)
    return (
      <Empty icon="jobs" title="The list ends here">
        <a href={back}>Back</a>
      </Empty>
    )
  if (narrowed(view))
    return (
      <Empty icon="search" title="No job matches">
        <a href={viewAddress({ state: view.state })}>Take the filters off</a>
      </Empty>
    )
  return (
    <Empty
      icon={view.state === undefined ? 'jobs' : stateIcons[view.state]}
      title={view.state === undefined ? 'No job yet' : `No ${view.state} job`}
    >
      <p>{emptyText[view.state ?? 'any']}</p>
    </Empty>
  )
}

const emptyText = {
  any: 'Jobs appear here as soon as they are enqueued.',
  pending: 'Everything that was enqueued has been started.',
  running: 'No worker has a job in hand just now.',
  completed: 'Completed jobs are kept for as long as their task’s retention says.',
  failed: 'No job has used up its attempts. Good.',
  cancelled: 'Nobody has cancelled a job.',
} as const

/** `j`, `k` and the arrows move along the rows, `x` chooses, `a` chooses the page. Enter is the link's own. */
function useRowKeys(
  table: { readonly current: HTMLDivElement | null },
  rows: readonly JobRow[],
  toggle: (id: string) => void,
  clear: () => void,
  togglePage: (ids: readonly string[]) => void,
): void {
  const can = useCan()
  const move = (by: number): void => {
    const links = [...(table.current?.querySelectorAll<HTMLElement>('[data-row]') ?? [])]
    const at = links.findIndex((link) => link.closest('tr')?.contains(document.activeElement) === true)
    const next = links[at === -1 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1)]
    next?.focus()
    next?.scrollIntoView({ block: 'nearest' })
  }
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    x: () => {
      const id = document.activeElement?.closest('tr')?.dataset['id']
      if (id !== undefined && can('bulk')) toggle(id)
    },
    a: () => can('bulk') && togglePage(rows.map((row) => row.id)),
    Escape: clear,
  })
}

function usePageKeys(view: View, page: ShownPage | undefined): void {
  const steps = page === undefined ? {} : stepsOf(view, page)
  useKeys({
    n: () => steps.on !== undefined && go(steps.on),
    p: () => steps.back !== undefined && go(steps.back),
  })
}
