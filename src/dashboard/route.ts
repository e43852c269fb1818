import { Refusal } from './problem.ts'
import type { Desk } from './desk.ts'
import type { Access } from './shapes.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** One request on its way to its route. */
export interface Call {
  readonly desk: Desk
  readonly request: Request
  readonly url: URL
  readonly access: Access
  /** What stood in the place of `{id}`. */
  readonly id: string
  /** Of a POST or PATCH; empty otherwise. */
  readonly body: Readonly<Record<string, unknown>>
}

export interface Route {
  readonly method: Method
  /** Below the mount: `api/jobs/{id}`. */
  readonly path: string
  /** The least access that it takes. */
  readonly access: Access
  run(call: Call): Response | Promise<Response>
}

/** The route for a path; `undefined` for an unknown path. @throws Refusal 405 for another method, with those that there are, and 400 for a bad escape */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route: Route; readonly id: string } | undefined {
  const segments = path.split('/')
  const there = routes.filter((route) => fits(route.path.split('/'), segments))
  if (there.length === 0) return undefined
  const route = there.find((one) => one.method === method)
  if (route === undefined) throw notAllowed(there.map((one) => one.method))
  const place = route.path.split('/').indexOf('{id}')
  return { route, id: place < 0 ? '' : unescaped(segments[place] ?? '') }
}

export function notAllowed(methods: readonly string[]): Refusal {
  const allow = [...new Set([...methods, ...(methods.includes('GET') ? ['HEAD'] : [])])].join(', ')
  return new Refusal(405, 'method', `This path takes ${allow}.`, { allow })
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, i) => (part === '{id}' ? segments[i] !== '' : part === segments[i]))
  )
}

function unescaped(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new Refusal(400, 'usage', 'The path has a % that is no escape.')
  }
}
