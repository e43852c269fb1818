import type { Jobs } from '../jobs.ts'
import { TokenAccess } from './access.ts'
import { type Asset, type Assets, noPage, ownAssets, pageAt } from './assets.ts'
import { Desk } from './desk.ts'
import { expectHost, expectOwnOrigin, readBody } from './guard.ts'
import { type DashboardOptions, type Settings, toSettings } from './options.ts'
import { Refusal, toProblem } from './problem.ts'
import { readRoutes } from './read-routes.ts'
import { problemResponse, respond } from './respond.ts'
import { findRoute, type Method, notAllowed, type Route } from './route.ts'
import type { Access } from './shapes.ts'
import { steerRoutes } from './steer-routes.ts'

/** A web-standard handler. Never rejects: what goes wrong is answered as `application/problem+json`. */
export interface Dashboard {
  (request: Request): Promise<Response>
  /** Ends its feeds and stops its operations. The jobs stay open. A second call does nothing. */
  close(): void
}

/** Every route of the API. */
export const routes: readonly Route[] = [...readRoutes, ...steerRoutes]

/**
 * The dashboard of these jobs: a page to look at them and steer them, and the JSON API behind it.
 *
 * Nothing is read while nobody looks. Mount it below any path of a server that speaks `Request` and `Response`, or with `toNode` below any
 * other. See docs/operate/dashboard.md.
 * @throws UsageError for an unknown option or a bad value, and unless it is said who may use it
 */
export function dashboard(jobs: Jobs, options: DashboardOptions): Dashboard {
  const settings = toSettings(options)
  const desk = new Desk(jobs, settings)
  const assets = ownAssets()
  const page = pageAt(assets.get('index.html') ?? noPage, settings.base)
  const handle = async (request: Request): Promise<Response> => {
    try {
      return await answer(request, desk, assets, page)
    } catch (error) {
      if (!(error instanceof Refusal) && toProblem(error).status >= 500) settings.onError(error)
      return problemResponse(error)
    }
  }
  return Object.assign(handle, { close: () => desk.close() })
}

async function answer(request: Request, desk: Desk, assets: Assets, page: Asset): Promise<Response> {
  const { settings } = desk
  const url = new URL(request.url)
  const method = request.method === 'HEAD' ? 'GET' : request.method
  expectHost(request, url, settings.hosts)
  const path = pathBelow(url.pathname, settings.base)
  if (path !== 'api' && !path.startsWith('api/')) return await asset(request, method, path, settings, assets, page)
  const found = findRoute(routes, method, path)
  if (found === undefined) throw new Refusal(404, 'not-found', 'There is nothing at this path.')
  const { route, id } = found
  if (changes(route.method)) expectOwnOrigin(request, url, settings.hosts)
  const access = await accessOf(request, settings)
  expectAccess(access, route.access, settings)
  const body = route.method === 'POST' || route.method === 'PATCH' ? await readBody(request) : {}
  expectOpen(desk)
  const response = await route.run({ desk, request, url, access, id, body })
  if (changes(route.method) && route.access === 'full') desk.watch.nudge()
  if (request.method !== 'HEAD') return response
  await response.body?.cancel()
  return new Response(null, response)
}

/** A file of the page, or the page itself for whatever else: it finds its way by the path. */
async function asset(
  request: Request,
  method: string,
  path: string,
  settings: Settings,
  assets: Assets,
  page: Asset,
): Promise<Response> {
  if (method !== 'GET') throw notAllowed(['GET'])
  // With tokens the page is what asks for one, so it is for everybody; it holds no secret.
  if (!(settings.authorize instanceof TokenAccess)) expectAccess(await accessOf(request, settings), 'read', settings)
  const found = path === 'index.html' ? undefined : assets.get(path)
  if (found === undefined && path.startsWith('assets/'))
    throw new Refusal(404, 'not-found', 'There is nothing at this path.')
  const { body, type } = found ?? page
  // Their names change with their content.
  const cache = found !== undefined && path.startsWith('assets/') ? 'private, max-age=31536000, immutable' : 'no-cache'
  return respond(200, request.method === 'HEAD' ? null : body, { 'content-type': type, 'cache-control': cache })
}

async function accessOf(request: Request, { authorize, onError }: Settings): Promise<Access> {
  if (authorize instanceof TokenAccess) return authorize.accessOf(request)
  try {
    const access: unknown = await authorize(request)
    return access === 'read' || access === 'full' ? access : 'none'
  } catch (error) {
    onError(error)
    return 'none'
  }
}

function expectAccess(access: Access, needed: Access, { authorize }: Settings): void {
  if (needed === 'none' || access === needed || access === 'full') return
  if (access === 'read') throw new Refusal(403, 'forbidden', 'You may look, but not change anything.')
  const headers: Record<string, string> = authorize instanceof TokenAccess ? { 'www-authenticate': 'Bearer' } : {}
  throw new Refusal(401, 'unauthorized', 'You are not known here.', headers)
}

/** @throws Refusal 503 once the jobs are closed: the process is on its way out */
function expectOpen({ ferry }: Desk): void {
  if (!ferry.closed) return
  throw new Refusal(503, 'closed', 'This server is stopping.')
}

/** With the mount's own path or already without: routers differ. */
function pathBelow(pathname: string, base: string): string {
  if (`${pathname}/` === base) return ''
  return pathname.startsWith(base) ? pathname.slice(base.length) : pathname.slice(1)
}

function changes(method: Method): boolean {
  return method !== 'GET'
}
