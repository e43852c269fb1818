import { Refusal } from './problem.ts'

/** The largest body that is read, in bytes. */
export const bodyLimitBytes = 1_048_576

/** What every mutation carries: no form and no `no-cors` request of another site can send it. */
export const ownHeader = 'x-jobferry'

/** The names under which a machine knows itself. Their ports are free. */
export const loopbackHosts: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/**
 * Refuses a request that came for another host than ours: a page elsewhere whose name was made to point here (DNS rebinding) sends its own.
 * An entry without a port stands for every port. Holds for every method, since a rebound GET carries no Origin.
 * @throws Refusal 421
 */
export function expectHost(request: Request, url: URL, hosts: readonly string[] | 'any'): void {
  if (hosts === 'any') return
  const host = request.headers.get('host') ?? url.host
  if (hosts.some((allowed) => sameHost(allowed, host))) return
  throw new Refusal(421, 'host', 'This name is not one of those the dashboard answers to. See its option `hosts`.')
}

/**
 * Refuses a mutation that another site may have caused: the browser adds cookies and the like to those by itself.
 *
 * It must carry our own header, which a foreign page cannot send without being allowed to, and come from our own origin. A Bearer token is proof
 * enough of the latter: no browser adds one by itself.
 * @throws Refusal 403
 */
export function expectOwnOrigin(request: Request, url: URL, hosts: readonly string[] | 'any'): void {
  const { headers } = request
  if (headers.get(ownHeader) === null)
    throw new Refusal(403, 'csrf', `Expected the header "${ownHeader}: 1" on a request that changes something.`)
  const site = headers.get('sec-fetch-site')
  const origin = headers.get('origin')
  const foreign = new Refusal(
    403,
    'csrf',
    'This request comes from another site. Only the dashboard itself changes things.',
  )
  if (site !== null && site !== 'same-origin') throw foreign
  if (origin === null) {
    if (site !== null || bearer(request) !== undefined) return
    throw new Refusal(403, 'csrf', 'Expected an Origin, Sec-Fetch-Site: same-origin, or a Bearer token.')
  }
  const host = hostOf(origin)
  if (host === undefined) throw foreign
  const own = headers.get('host') ?? url.host
  // Behind a proxy that speaks TLS or renames, our own host may be another than the page's: that one then has to be named exactly.
  const named =
    hosts !== 'any' && hosts.some((allowed) => allowed.toLowerCase() === host && !loopbackHosts.includes(host))
  if (host !== withoutDefaultPort(own.toLowerCase(), origin) && !named) throw foreign
}

/** The token of `authorization: Bearer …`. */
export function bearer(request: Request): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(request.headers.get('authorization') ?? '')?.[1]
}

/**
 * The body of a mutation: JSON, an object; none at all is an empty one.
 * @throws Refusal 415, 413, 400
 */
export async function readBody(request: Request): Promise<Readonly<Record<string, unknown>>> {
  const type = (request.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json')
    throw new Refusal(415, 'media-type', 'Expected a body of content-type application/json.')
  const text = await readText(request)
  if (text === '') return {}
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new Refusal(400, 'json', 'Expected the body to be JSON.')
  }
  if (!isRecord(body)) throw new Refusal(400, 'json', 'Expected the body to be a JSON object.')
  return body
}

async function readText(request: Request): Promise<string> {
  const tooLarge = new Refusal(413, 'too-large', `The body has more than ${bodyLimitBytes} bytes.`)
  if (Number(request.headers.get('content-length') ?? 0) > bodyLimitBytes) throw tooLarge
  if (request.body === null) return ''
  const reader = request.body.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    if (size > bodyLimitBytes) {
      await reader.cancel()
      throw tooLarge
    }
    chunks.push(value)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new Refusal(400, 'json', 'Expected the body to be UTF-8.')
  }
}

function sameHost(allowed: string, host: string): boolean {
  const [one, other] = [allowed.toLowerCase(), host.toLowerCase()]
  if (one === other) return true
  if (/:\d+$/.test(one.replace(/^\[[^\]]*\]/, ''))) return false
  return other.startsWith(`${one}:`) && /^\d{1,5}$/.test(other.slice(one.length + 1))
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}

function withoutDefaultPort(host: string, origin: string): string {
  return host.replace(origin.startsWith('https:') ? /:443$/ : /:80$/, '')
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
