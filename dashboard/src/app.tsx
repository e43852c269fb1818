import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'

import { useAddress } from './address.ts'
import { useCell } from './cell.ts'
import { unwatch, watch } from './feed.ts'
import { Frame } from './frame.tsx'
import { Heading } from './page.tsx'
import { EnqueuePage } from './pages/enqueue.tsx'
import { JobPage } from './pages/job.tsx'
import { JobsPage } from './pages/jobs.tsx'
import { OverviewPage } from './pages/overview.tsx'
import { QueuesPage } from './pages/queues.tsx'
import { SignInPage } from './pages/sign-in.tsx'
import { WorkersPage } from './pages/workers.tsx'
import { Empty, Failed } from './parts/condition.tsx'
import { readSession, session } from './session.ts'

/** The whole page: nothing yet, a way to sign in, or the dashboard. */
export function App(): JSX.Element | null {
  const now = useCell(session)
  const admitted = now !== undefined && !(now instanceof Error) && now.access !== 'none'
  useEffect(() => {
    if (!admitted) return
    watch()
    return unwatch
  }, [admitted])

  if (now === undefined) return null
  if (now instanceof Error)
    return (
      <main class="alone">
        <Failed error={now} again={() => void readSession()} />
      </main>
    )
  if (!admitted) return <SignInPage byToken={now.signIn === 'token'} />
  return (
    <Frame>
      <Page />
    </Frame>
  )
}

function Page(): JSX.Element {
  const { path, query } = useAddress()
  const [first = '', second, ...more] = path.split('/')
  if (more.length > 0 || (second !== undefined && first !== 'jobs')) return <NoPage />
  switch (first) {
    case '':
      return <OverviewPage />
    case 'jobs':
      return second === undefined ? <JobsPage query={query} /> : <JobPage key={second} id={decode(second)} />
    case 'queues':
      return <QueuesPage />
    case 'workers':
      return <WorkersPage />
    case 'enqueue':
      return <EnqueuePage key={query.toString()} query={query} />
    default:
      return <NoPage />
  }
}

function NoPage(): JSX.Element {
  return (
    <>
      <Heading title="No such page" />
      <Empty icon="search" title="There is nothing at this address">
        <a href="./">To the overview</a>
      </Empty>
    </>
  )
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
