import { createServer } from 'node:http'
import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'

import { toNode } from '../../src/dashboard/index.ts'
import { board } from './kit.ts'

async function serve(handler: Parameters<typeof toNode>[0]): Promise<string> {
  const server = createServer(toNode(handler)).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

it('ends a feed whose reader has left: nothing looks at the store any more', async () => {
  await using page = await board()
  const url = await serve(page.handler)
  const leave = new AbortController()
  const feed = await fetch(`${url}/api/events`, { signal: leave.signal })
  expect(feed.headers.get('content-type')).toBe('text/event-stream')
  expect(page.clock.waiting).toBeGreaterThan(0)
  leave.abort()
  while (page.clock.waiting > 0) await new Promise(setImmediate)
})

it('hands over method, path, headers and body, and gives back status, headers, cookies and body', async () => {
  const url = await serve(async (request) => {
    const told = { method: request.method, path: new URL(request.url).pathname, own: request.headers.get('x-own') }
    const headers = new Headers({ 'content-type': 'application/json' })
    headers.append('set-cookie', 'a=1')
    headers.append('set-cookie', 'b=2')
    return new Response(JSON.stringify({ ...told, body: await request.text() }), { status: 202, headers })
  })
  const response = await fetch(`${url}/a%20b?c=d`, { method: 'PATCH', headers: { 'x-own': 'a' }, body: 'text' })
  expect([response.status, response.headers.getSetCookie()]).toEqual([202, ['a=1', 'b=2']])
  expect(await response.json()).toEqual({ method: 'PATCH', path: '/a%20b', own: 'a', body: 'text' })
})

it('keeps the connection when a body was not wanted, however large', async () => {
  const url = await serve(() => new Response('no', { status: 403 }))
  for (let n = 0; n < 3; n++) {
    const response = await fetch(url, { method: 'POST', body: 'x'.repeat(3_000_000) })
    expect([response.status, await response.text()]).toEqual([403, 'no'])
  }
})

it('writes no faster than the other side reads', async () => {
  let made = 0
  const endless = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => {
          made++
          controller.enqueue(new Uint8Array(65_536))
        },
      }),
    )
  const url = await serve(endless)
  const leave = new AbortController()
  const response = await fetch(url, { signal: leave.signal })
  const reader = response.body!.getReader()
  await reader.read()
  let before = -1
  while (made !== before) {
    before = made
    for (let turn = 0; turn < 1_000; turn++) await new Promise(setImmediate)
  }
  expect(made).toBeLessThan(1_000)
  leave.abort()
})

it('cuts the connection when a handler breaks its word', async () => {
  const url = await serve(() => Promise.reject(new Error('bug')))
  await expect(fetch(url)).rejects.toThrow('fetch failed')
})
