import { Cell, useCell } from './cell.ts'

/** Where the dashboard is mounted, from `<base href>`: `/` or `/admin/jobs/`. */
const mount = new URL('./', document.baseURI).pathname

/** A place in the dashboard. Everything that somebody would want to share or to come back to stands in it. */
export interface Address {
  /** Below the mount path, without slashes around it: `jobs/01hz…`, or empty for the overview. */
  readonly path: string
  readonly query: URLSearchParams
}

const place = new Cell(read())
/** How many steps lie behind in the browser's history that are the dashboard's own. */
let steps = 0

addEventListener('popstate', () => {
  steps = Math.max(0, steps - 1) // or one more, if it was forwards: then it is one too few, which does no harm
  place.set(read())
})
document.addEventListener('click', follow)

/** The address the browser shows. */
export function useAddress(): Address {
  return useCell(place)
}

/** Goes to an address like `jobs?state=failed`, as a new step in the browser's history, or in place of the present one. */
export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  const url = new URL(to === '' ? './' : to, document.baseURI)
  const before = place.value.path
  if (url.href === location.href) return
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', url)
  if (how === 'push') steps++
  place.set(read())
  if (how === 'push' && place.value.path !== before) scrollTo(0, 0)
}

/** Goes back to where somebody came from within the dashboard, with its filters and its place; else to an address. */
export function leave(to: string): void {
  if (steps > 0) history.back()
  else go(to, 'replace')
}

/** An address of a path and the given fields; those that are `undefined` are left out. */
export function addressOf(path: string, fields: Readonly<Record<string, string | undefined>> = {}): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, value)
  const text = query.toString()
  return text === '' ? path : `${path}?${text}`
}

/** The address of a job's page. */
export function jobAddress(id: string): string {
  return `jobs/${encodeURIComponent(id)}`
}

function read(): Address {
  const { pathname, search } = location
  const below = pathname.startsWith(mount) ? pathname.slice(mount.length) : ''
  return { path: below.replace(/\/$/, ''), query: new URLSearchParams(search) }
}

/** Links within the dashboard lead on without loading the page anew; those with a modifier key, a target or a download do as ever. */
function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (link === null || link.target !== '' || link.hasAttribute('download')) return
  if (link.origin !== location.origin || !link.pathname.startsWith(mount)) return
  if (link.dataset['external'] !== undefined) return
  event.preventDefault()
  go(link.href)
}
