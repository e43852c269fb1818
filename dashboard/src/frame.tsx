import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

import { addressOf, go, useAddress } from './address.ts'
import { useCell } from './cell.ts'
import { connection, heardAt, overview } from './feed.ts'
import { capital, clockTime, count, short } from './format.ts'
import { Help } from './help.tsx'
import { useKeys } from './keys.ts'
import { complain, dismissNotice, notices } from './notices.ts'
import { OperationCards } from './parts/bulk.tsx'
import { Icon, type IconName } from './parts/icon.tsx'
import { Logo } from './parts/logo.tsx'
import { stateIcons, states } from './parts/state.tsx'
import { signOut, useCan, useSession } from './session.ts'
import { theme, turnTheme } from './theme.ts'

/** What surrounds every page: where one is, where one can go, and whether what is shown is true. */
export function Frame({ children }: { readonly children: ComponentChildren }): JSX.Element {
  const [help, setHelp] = useState(false)
  const main = useRef<HTMLElement>(null)
  const can = useCan()
  const started = useRef(0)
  const { path } = useAddress()
  useEffect(() => {
    // What was pressed may be gone with the page before: the keyboard goes on at the new one, and a screen reader there, too.
    if (document.activeElement === document.body) main.current?.focus({ preventScroll: true })
  }, [path])
  useKeys({
    '?': () => setHelp(true),
    '/': () => go('jobs'),
    g: () => (started.current = Date.now()),
    ...Object.fromEntries(
      Object.entries({ o: './', j: 'jobs', q: 'queues', w: 'workers', n: 'enqueue' }).map(([key, to]) => [
        key,
        () => {
          if (Date.now() - started.current < 1_500 && (to !== 'enqueue' || can('enqueue'))) go(to)
        },
      ]),
    ),
  })
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <Side onHelp={() => setHelp(true)} />
      <main ref={main} tabIndex={-1}>
        <Lost />
        {children}
      </main>
      <div class="corner" role="status" aria-live="polite">
        <OperationCards />
        <Notices />
      </div>
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  )
}

function Side({ onHelp }: { readonly onHelp: () => void }): JSX.Element {
  const { path } = useAddress()
  const { store, access, signedIn } = useSession()
  const can = useCan()
  const chosen = useCell(theme)
  return (
    <header class="side">
      <div class="side-inner">
        <a class="brand" href="./" aria-label="jobferry: overview">
          <Logo />
          <span>jobferry</span>
        </a>
        <nav aria-label="Pages">
          <Item to="./" icon="overview" text="Overview" here={path === ''} />
          {can('list') && <Item to="jobs" icon="jobs" text="Jobs" here={path.startsWith('jobs')} />}
          {can('list') && <StateItems />}
          <Item to="queues" icon="queues" text="Queues" here={path === 'queues'} />
          {can('workers') && <Item to="workers" icon="workers" text="Workers" here={path === 'workers'} />}
          {can('enqueue') && <Item to="enqueue" icon="plus" text="Enqueue" here={path === 'enqueue'} />}
        </nav>
        <div class="side-foot">
          <Beacon />
          <span class="side-store" title="The store">
            {store}
          </span>
          {access === 'read' && <span class="tag">read-only</span>}
          <span class="grow" />
          <button
            type="button"
            class="icon-button"
            aria-label={`Colours: ${chosen}`}
            title={`Colours: ${chosen}`}
            onClick={turnTheme}
          >
            <Icon name={chosen === 'auto' ? 'auto' : chosen === 'dark' ? 'moon' : 'sun'} />
          </button>
          <button type="button" class="icon-button" aria-label="Help" title="Help (?)" onClick={onHelp}>
            <span class="glyph" aria-hidden="true">
              ?
            </span>
          </button>
          {signedIn && (
            <button
              type="button"
              class="icon-button"
              aria-label="Sign out"
              title="Sign out"
              onClick={() => void signOut().catch(complain)}
            >
              <Icon name="out" />
            </button>
          )}
        </div>
      </div>
    </header>
  )
}

function Item(props: {
  readonly to: string
  readonly icon: IconName
  readonly text: string
  readonly here: boolean
}): JSX.Element {
  return (
    <a class={`item to-${props.icon}`} href={props.to} aria-current={props.here ? 'page' : undefined}>
      <Icon name={props.icon} />
      <span>{props.text}</span>
    </a>
  )
}

function StateItems(): JSX.Element {
  const { path, query } = useAddress()
  const counts = useCell(overview)?.counts
  return (
    <div class="substates">
      {states.map((state) => (
        <a
          key={state}
          class={`item ${state}`}
          href={addressOf('jobs', { state })}
          aria-current={path === 'jobs' && query.get('state') === state ? 'page' : undefined}
        >
          <Icon name={stateIcons[state]} />
          <span>{capital(state)}</span>
          {counts !== undefined && (
            <span class="count" title={count(counts[state])}>
              {short(counts[state])}
            </span>
          )}
        </a>
      ))}
    </div>
  )
}

const beacons = {
  connecting: 'Connecting',
  live: 'Live',
  polled: 'Every 5 s',
  lost: 'Offline',
} as const

/** Whether the page is live. */
function Beacon(): JSX.Element {
  const state = useCell(connection)
  return (
    <span class={`beacon ${state}`} data-connection={state}>
      <span class="beacon-light" />
      {beacons[state]}
    </span>
  )
}

/** Appears after a moment without the server, so that a short gap makes no stir. */
function Lost(): JSX.Element | null {
  const state = useCell(connection)
  const heard = useCell(heardAt)
  const [late, setLate] = useState(false)
  useEffect(() => {
    setLate(false)
    if (state !== 'lost') return
    const timer = setTimeout(() => setLate(true), 1_200)
    return () => clearTimeout(timer)
  }, [state])
  if (!late) return null
  return (
    <p class="away" role="alert">
      <Icon name="warn" /> The server does not answer. What you see is from {clockTime(heard)}; this page goes on
      trying.
    </p>
  )
}

function Notices(): JSX.Element {
  const all = useCell(notices)
  return (
    <>
      {all.map((notice) => (
        <div key={notice.key} class={`card notice ${notice.kind}`} role={notice.kind === 'error' ? 'alert' : undefined}>
          <Icon name={notice.kind === 'error' ? 'warn' : 'check'} />
          <span class="grow">
            {notice.text} {notice.link !== undefined && <a href={notice.link.to}>{notice.link.text}</a>}
          </span>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismissNotice(notice.key)}>
            <Icon name="cross" />
          </button>
        </div>
      ))}
    </>
  )
}
