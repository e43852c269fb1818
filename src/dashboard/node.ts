import type { IncomingMessage, ServerResponse } from 'node:http'

/** What `node:http` and everything that stands on it (Express, Fastify, Connect) calls with a request. */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void

/** Methods that a `Request` may not have. */
const unspeakable: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])

/**
 * Lets a web-standard handler answer for `node:http`: `createServer(toNode(handler))`, `app.use('/jobs', toNode(handler))`.
 *
 * The path is the one the browser asked for, also where a router has taken its own part away. A body that a parser before it has read already is
 * taken from `request.body`. When the other side leaves, the response's stream is cancelled.
 */
export function toNode(handler: (request: Request) => Response | Promise<Response>): NodeListener {
  return (incoming, outgoing) => {
    const left = new AbortController()
    outgoing.on('close', () => left.abort())
    serve(handler, incoming, outgoing, left.signal).catch(() => outgoing.destroy()) // the other side is gone, or the handler broke its word
  }
}

async function serve(
  handler: (request: Request) => Response | Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const request = toRequest(incoming, outgoing, signal)
  if (typeof request === 'number') {
    outgoing.writeHead(request, { 'content-type': 'text/plain' }).end()
    return
  }
  const response = await handler(request)
  outgoing.statusCode = response.status
  for (const [name, value] of response.headers) if (name !== 'set-cookie') outgoing.setHeader(name, value)
  const cookies = response.headers.getSetCookie()
  if (cookies.length > 0) outgoing.setHeader('set-cookie', cookies)
  if (response.body === null) {
    outgoing.end()
    return
  }
  outgoing.flushHeaders()
  await pump(response.body, outgoing, signal)
}

/** As fast as the other side takes it. */
async function pump(body: ReadableStream<Uint8Array>, outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  const reader = body.getReader()
  const leave = (): void => void reader.cancel().catch(() => undefined) // it has ended by itself
  if (signal.aborted) return leave()
  signal.addEventListener('abort', leave)
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    if (outgoing.write(value)) continue
    await new Promise<void>((resolve) => {
      outgoing.once('drain', resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
  signal.removeEventListener('abort', leave)
  outgoing.end()
}

/** The request, or the status that it is refused with before it can be one. */
function toRequest(incoming: IncomingMessage, outgoing: ServerResponse, signal: AbortSignal): Request | number {
  const method = incoming.method ?? 'GET'
  if (unspeakable.has(method)) return 405
  const headers = new Headers()
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
    const [name = '', value = ''] = incoming.rawHeaders.slice(i, i + 2)
    if (!name.startsWith(':')) headers.append(name, value)
  }
  const host = incoming.headers[':authority'] ?? headers.get('host')
  // Two of them would come joined; one that is no authority would make another URL of the path.
  if (typeof host !== 'string' || !/^[\w.:[\]-]+$/.test(host)) return 400
  headers.set('host', host)
  const path =
    'originalUrl' in incoming && typeof incoming.originalUrl === 'string' ? incoming.originalUrl : incoming.url
  // The absolute form is for proxies, and may name another host than the header does.
  if (path === undefined || !path.startsWith('/')) return 400
  const scheme = 'encrypted' in incoming.socket && incoming.socket.encrypted === true ? 'https' : 'http'
  const url = `${scheme}://${host}${path}`
  if (!URL.canParse(url)) return 400
  if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers, signal })
  return new Request(url, { method, headers, signal, body: bodyOf(incoming, outgoing), duplex: 'half' })
}

function bodyOf(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
  if (!incoming.readableEnded) return toStream(incoming, outgoing)
  const parsed: unknown = 'body' in incoming ? incoming.body : undefined
  if (parsed === undefined) return ''
  if (typeof parsed === 'string') return parsed
  return parsed instanceof Uint8Array ? new Uint8Array(parsed) : JSON.stringify(parsed)
}

/** What nobody wants to read any more is read and dropped: to close the connection instead could lose the answer. */
function toStream(incoming: IncomingMessage, outgoing: ServerResponse): ReadableStream<Uint8Array> {
  let wanted = true
  const drop = (): void => {
    wanted = false
    incoming.resume()
  }
  outgoing.on('finish', drop)
  return new ReadableStream<Uint8Array>({
    start(controller) {
      incoming.on('data', (chunk: Uint8Array) => {
        if (!wanted) return
        controller.enqueue(new Uint8Array(chunk))
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause()
      })
      incoming.on('end', () => wanted && controller.close())
      incoming.on('error', (error) => wanted && controller.error(error))
    },
    pull: () => void incoming.resume(),
    cancel: drop,
  })
}
