import { connect } from 'node:net'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'

import { dashboard, type DashboardOptions, toNode } from '../../src/dashboard/index.ts'
import { type Jobs, StoreError } from '../../src/index.ts'
import { MemoryStore } from '../../src/stores/memory/index.ts'
import { openTesting } from '../../src/testing/index.ts'
import { board, fill, mail, over, own } from './kit.ts'

const full = 'full-token-of-24-letters'
const read = 'read-token-of-24-letters'

const servers = new Set<Server>()
afterEach(() => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  servers.clear()
})

/** What a server answers to these very bytes. */
async function raw(jobs: Jobs, request: string, options: Partial<DashboardOptions> = {}): Promise<string> {
  const server = createServer(toNode(dashboard(jobs, { authorize: () => 'full', ...options })))
  servers.add(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const socket = connect(port, '127.0.0.1')
  socket.write(request.replaceAll('PORT', String(port)))
  return await text(socket)
}

const line = (path: string, host = 'Host: 127.0.0.1:PORT\r\n', method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`

describe('who may use it', () => {
  it('is never open by mistake: it has to be said who may', async () => {
    await using page = await board()
    for (const options of [
      {},
      { authorize: () => 'full' as const, tokens: { full } },
      { tokens: {} },
      { tokens: { full: 'short' } },
    ])
      expect(() => dashboard(page.jobs, options)).toThrow(/Expected/)
  })

  it.each([
    'api/overview',
    'api/jobs',
    'api/queues',
    'api/workers',
    'api/operations',
    'api/events',
    'api/openapi.json',
    '',
  ])('shows nothing of /%s to nobody', async (path) => {
    await using page = await board({ authorize: () => 'none' })
    const response = await page.ask('GET', path)
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'unauthorized' })
    expect(await page.get('api/session')).toMatchObject({
      access: 'none',
      store: null,
      capabilities: [],
      actions: [],
      tasks: [],
    })
  })

  it('lets who may only look change nothing', async () => {
    await using page = await board({ authorize: () => 'read' })
    const { failed } = await fill(page)
    expect(await page.get('api/session')).toMatchObject({
      access: 'read',
      actions: ['list', 'search', 'logs', 'workers'],
    })
    expect((await page.get(`api/jobs/${failed}`)).actions).toEqual(['logs'])
    for (const [method, path, body] of [
      ['POST', `api/jobs/${failed}/retry`, {}],
      ['POST', `api/jobs/${failed}/run`, {}],
      ['POST', `api/jobs/${failed}/cancel`, {}],
      ['PATCH', `api/jobs/${failed}`, { priority: 1 }],
      ['DELETE', `api/jobs/${failed}`, undefined],
      ['POST', 'api/jobs', { task: 'mail' }],
      ['POST', 'api/operations', { action: 'delete', filter: { state: 'any' } }],
      ['DELETE', 'api/operations/x', undefined],
      ['PATCH', 'api/queues', { queue: 'email', paused: true }],
    ] as const)
      expect([path, (await page.ask(method, path, body)).status]).toEqual([path, 403])
    expect((await page.jobs.list()).length).toBe(3)
    expect((await page.jobs.stats())[0]?.paused).toBe(false)
  })

  it('refuses when the application cannot tell, or says what means nothing', async () => {
    await using failing = await board({ authorize: () => Promise.reject(new Error('no session store')) })
    expect((await failing.ask('GET', 'api/queues')).status).toBe(401)
    expect(failing.errors).toMatchObject([{ message: 'no session store' }])
    await using odd = await board({ authorize: () => 'admin' as never })
    expect((await odd.ask('GET', 'api/queues')).status).toBe(401)
  })

  it('takes a token as Bearer, and knows what it is for', async () => {
    await using page = await board({ tokens: { full, read } })
    const as = async (token: string) =>
      (await page.ask('GET', 'api/queues', undefined, { authorization: `Bearer ${token}` })).status
    expect([await as(full), await as(read), await as(`${full}x`), await as(full.slice(1)), await as('')]).toEqual([
      200, 200, 401, 401, 401,
    ])
    const pause = { queue: 'q', paused: true }
    expect((await page.ask('PATCH', 'api/queues', pause, { authorization: `Bearer ${read}` })).status).toBe(403)
    expect((await page.ask('PATCH', 'api/queues', pause, { authorization: `Bearer ${full}` })).status).toBe(200)
  })

  it('gives the page a cookie for a token: for this site alone, and out of reach of scripts', async () => {
    await using page = await board({ tokens: { full, read }, basePath: '/jobs' })
    expect((await page.ask('GET', '/jobs/')).status).toBe(200)
    expect(await page.get('/jobs/api/session')).toMatchObject({ access: 'none', signIn: 'token', signedIn: false })
    expect((await page.ask('POST', '/jobs/api/session', { token: 'wrong-token-of-24-letters' })).status).toBe(401)
    const signed = await page.ask('POST', '/jobs/api/session', { token: read })
    expect(await signed.json()).toMatchObject({ access: 'read', signedIn: true })
    const cookie = signed.headers.get('set-cookie')!
    expect(cookie).toMatch(/^jobferry-[\da-f]{8}=[\da-f]{64}; Path=\/jobs\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(read)
    const [pair = ''] = cookie.split(';')
    expect((await page.ask('GET', '/jobs/api/queues', undefined, { cookie: `other=1; ${pair}` })).status).toBe(200)
    expect((await page.ask('GET', '/jobs/api/queues', undefined, { cookie: `${pair}0` })).status).toBe(401)
    const out = await page.ask('DELETE', '/jobs/api/session', undefined, { cookie: pair })
    expect(out.headers.get('set-cookie')).toContain('Max-Age=0')
  })
})

describe('another site', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  it.each([
    ['a form', form, 415],
    ['a form with nothing but itself', { ...form, 'x-jobferry': undefined, 'sec-fetch-site': undefined }, 403],
    ['JSON as text/plain', { 'content-type': 'text/plain' }, 415],
    ['JSON as a form, by its parameter', { 'content-type': 'text/plain; application/json' }, 415],
    ['no content type', { 'content-type': undefined }, 415],
    ['no Origin and no Sec-Fetch-Site', { origin: undefined, 'sec-fetch-site': undefined }, 403],
    ['a foreign Origin', { origin: 'http://evil.example', 'sec-fetch-site': undefined }, 403],
    ['another port of this machine', { origin: 'http://localhost:3000', 'sec-fetch-site': undefined }, 403],
    [
      'another port of this machine, as the browser sees it',
      { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' },
      403,
    ],
    [
      'an Origin that begins like ours',
      { origin: 'http://localhost:7654.evil.example', 'sec-fetch-site': undefined },
      403,
    ],
    ['the Origin null', { origin: 'null', 'sec-fetch-site': undefined }, 403],
    ['cross-site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['same-site', { 'sec-fetch-site': 'same-site' }, 403],
    ['Sec-Fetch-Site none', { 'sec-fetch-site': 'none' }, 403],
    ['without our header', { 'x-jobferry': undefined }, 403],
    [
      'Basic credentials, which browsers add by themselves',
      { origin: undefined, 'sec-fetch-site': undefined, authorization: 'Basic YTpi' },
      403,
    ],
    ['a Bearer token, but a foreign Origin', { origin: 'http://evil.example', authorization: `Bearer ${full}` }, 403],
  ])('changes nothing by %s', async (_, headers, status) => {
    await using page = await board()
    const response = await page.ask('POST', 'api/jobs', { task: 'mail', payload: {} }, headers)
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await page.jobs.list()).toEqual([])
  })

  it('may be us behind a proxy of another name, if that is named', async () => {
    await using page = await board({ hosts: ['inner:8080', 'jobs.example.com'] })
    const headers = { host: 'inner:8080', origin: 'https://jobs.example.com', 'sec-fetch-site': undefined }
    expect((await page.ask('POST', 'api/jobs', { task: 'mail' }, headers)).status).toBe(201)
    expect(
      (await page.ask('POST', 'api/jobs', { task: 'mail' }, { ...headers, origin: 'https://example.com' })).status,
    ).toBe(403)
  })

  it('is us for a script with a Bearer token', async () => {
    await using page = await board({ tokens: { full } })
    const headers = { origin: undefined, 'sec-fetch-site': undefined, authorization: `Bearer ${full}` }
    expect((await page.ask('POST', 'api/jobs', { task: 'mail' }, headers)).status).toBe(201)
  })

  it('is told by no CORS header that it may read', async () => {
    await using page = await board()
    const response = await page.ask('GET', 'api/jobs', undefined, { origin: 'http://evil.example' })
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    expect((await page.ask('OPTIONS', 'api/jobs', undefined, { origin: 'http://evil.example' })).status).toBe(405)
  })
})

describe('another name for this machine', () => {
  const strangers = [
    'evil.example',
    'localhost.evil',
    'localhost.evil:7654',
    '127.0.0.1.nip.io',
    'evil.localhost',
    '127.0.0.2',
    '0.0.0.0',
    '[::]',
    '2130706433',
    'localhost:7654, evil.example',
    'localhost:7654x',
    'localhost:',
    'localhost.',
    '',
  ]
  it.each(strangers)('gets nothing as %j, by GET, feed or POST', async (host) => {
    await using page = await board()
    for (const [method, path] of [
      ['GET', 'api/jobs'],
      ['GET', 'api/events'],
      ['GET', ''],
      ['POST', 'api/jobs'],
    ] as const) {
      const response = await page.ask(method, path, method === 'GET' ? undefined : { task: 'mail' }, {
        host,
        origin: `http://${host}`,
      })
      expect(response.status).toBe(421)
      expect(await response.json()).toMatchObject({ code: 'host' })
    }
    expect(await page.jobs.list()).toEqual([])
  })

  it.each(['localhost', 'LOCALHOST:1', '127.0.0.1:65535', '[::1]', '[::1]:7654'])('is known as %s', async (host) => {
    await using page = await board()
    expect((await page.ask('GET', 'api/queues', undefined, { host })).status).toBe(200)
  })

  it('is held to the port where one is named', async () => {
    await using page = await board({ hosts: ['localhost:7654', 'jobs.example.com'] })
    const as = async (host: string) => (await page.ask('GET', 'api/queues', undefined, { host })).status
    expect([
      await as('localhost:7654'),
      await as('localhost:7655'),
      await as('localhost'),
      await as('jobs.example.com:99'),
    ]).toEqual([200, 421, 421, 200])
  })

  it.each([
    ['the absolute form', 'GET http://evil.example/api/queues HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n'],
    ['the absolute form of our own', 'GET http://127.0.0.1:PORT/api/queues HTTP/1.1\r\nHost: evil.example\r\n'],
    ['no Host', 'GET /api/queues HTTP/1.1\r\n'],
    ['two Hosts', 'GET /api/queues HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil.example\r\n'],
    ['two Hosts the other way', 'GET /api/queues HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1:PORT\r\n'],
    ['a Host with a user', 'GET /api/queues HTTP/1.1\r\nHost: 127.0.0.1:PORT@evil.example\r\n'],
    ['a Host with a path', 'GET /api/queues HTTP/1.1\r\nHost: 127.0.0.1:PORT/evil\r\n'],
  ])('is not had by %s', async (_, head) => {
    await using page = await board()
    expect(await raw(page.jobs, `${head}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 4(00|21) /)
  })
})

describe('every answer', () => {
  it.each([
    ['GET', ''],
    ['GET', 'jobs/anything/deep'],
    ['GET', 'assets/none.js'],
    ['GET', 'api/jobs'],
    ['GET', 'api/jobs/nobody'],
    ['GET', 'api/events'],
    ['GET', 'api/nothing'],
    ['PUT', 'api/jobs'],
    ['DELETE', 'api/jobs/nobody'],
  ])('may be framed by nobody, runs nothing foreign and is guessed by nobody: %s /%s', async (method, path) => {
    await using page = await board()
    const { headers, body } = await page.ask(method, path)
    await body?.cancel()
    const policy = headers.get('content-security-policy')?.split('; ')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy?.join()).not.toMatch(/unsafe|\*|https?:|data:/)
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': path === '' || path.startsWith('jobs/') ? 'no-cache' : 'no-store',
    })
  })

  it('holds whatever names jobs have as JSON, and none of them as a page', async () => {
    await using page = await board()
    const name = '</script><script>alert(1)</script>\u2028"\'`'
    await page.jobs.enqueue(mail, { to: name }, { queue: name.slice(0, -4) })
    for (const path of ['api/jobs', 'api/queues', 'api/overview']) {
      const response = await page.ask('GET', path)
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(JSON.stringify(await response.json())).toContain('alert(1)')
    }
    expect(await (await page.ask('GET', `jobs/${encodeURIComponent(name)}`)).text()).not.toContain('alert(1)')
  })
})

describe('a request that asks for too much', () => {
  it.each([
    ['PUT', 'api/jobs', 'GET, POST, HEAD'],
    ['POST', 'api/queues', 'GET, PATCH, HEAD'],
    ['PATCH', 'api/jobs', 'GET, POST, HEAD'],
    ['DELETE', 'api/queues', 'GET, PATCH, HEAD'],
    ['OPTIONS', 'api/jobs/x/retry', 'POST'],
    ['GET', 'api/jobs/x/retry', 'POST'],
    ['POST', '', 'GET, HEAD'],
    ['DELETE', 'assets/x.js', 'GET, HEAD'],
  ])('is told which methods there are: %s /%s', async (method, path, allow) => {
    await using page = await board()
    const response = await page.ask(method, path)
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow])
  })

  it.each(['TRACE', 'PROPFIND'])('has no luck with %s', async (method) => {
    await using page = await board()
    expect(await raw(page.jobs, line('/api/jobs', undefined, method))).toMatch(/^HTTP\/1\.1 405 /)
  })

  it('is refused a body over 1 MiB, said or unsaid, and hears of it', async () => {
    await using page = await board()
    const body = JSON.stringify({ task: 'mail', payload: 'x'.repeat(1_048_576) })
    const response = await page.ask('POST', 'api/jobs', body)
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ code: 'too-large', detail: expect.stringContaining('1048576') })
    const headers = Object.entries({ ...own, origin: 'http://127.0.0.1:PORT' })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    const head = `POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n${headers}`
    const said = await raw(page.jobs, `${head}Content-Length: ${body.length}\r\n\r\n${body}`)
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    const unsaid = await raw(page.jobs, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}0\r\n\r\n`)
    expect([said, unsaid].map((answer) => /^HTTP\/1\.1 413 .*"too-large"/s.test(answer))).toEqual([true, true])
    expect(await page.jobs.list()).toEqual([])
  })

  it.each([
    ['no JSON', '{', 400],
    ['no object', '[]', 400],
    ['null', 'null', 400],
    ['unknown fields', '{"task":"mail","ttl":1}', 400],
    ['a prototype', '{"task":"mail","__proto__":{"a":1}}', 400],
    ['a payload 65 deep', `{"task":"mail","payload":${'['.repeat(65)}${']'.repeat(65)}}`, 422],
    ['a payload 200,000 deep', `{"task":"mail","payload":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 422],
    ['a priority beyond all', '{"task":"mail","priority":1e9}', 400],
    ['a time that is none', '{"task":"mail","runAt":1e300}', 400],
    ['a delay beyond all', '{"task":"mail","delayMs":9007199254740991}', 400],
    ['a name with a control character', '{"task":"a\\u0000b"}', 400],
    ['a name of 300 characters', JSON.stringify({ task: 'x'.repeat(300) }), 400],
  ])('is refused for %s', async (_, body, status) => {
    await using page = await board()
    expect((await page.ask('POST', 'api/jobs', body)).status).toBe(status)
    expect(await page.jobs.list()).toEqual([])
  })

  it.each([
    '/../package.json',
    '/..%2fpackage.json',
    '/%2e%2e/%2e%2e/package.json',
    '/assets/../../package.json',
    '/assets/%2e%2e%2f%2e%2e%2fpackage.json',
    '/assets/..%5c..%5cpackage.json',
    '/assets/..\\..\\package.json',
    '/assets/%252e%252e%252fpackage.json',
    '/assets/x%00.js',
    '//etc/passwd',
    '/assets//etc/passwd',
    '/api/../package.json',
    '/index.html%00.js',
    '/dashboard.js',
  ])('leads to no file: %s', async (path) => {
    await using page = await board()
    const answer = await raw(page.jobs, line(path))
    expect(answer).toMatch(/^HTTP\/1\.1 (200|400|404) /)
    expect(answer).not.toMatch(/"devDependencies"|root:|import /)
  })

  it.each(['/api/jobs/%', '/api/jobs/%ff', '/api/jobs/%00', '/api/jobs/a%0ab', `/api/jobs/${'x'.repeat(300)}`])(
    'is refused for a bad id: %s',
    async (path) => {
      await using page = await board()
      expect((await page.ask('GET', path)).status).toBe(400)
    },
  )

  it('sees 64 KiB of a value, and that there is more', async () => {
    await using page = await board()
    const { id } = await page.jobs.enqueue(mail, { to: 'é'.repeat(100_000) })
    const { payload } = await page.get(`api/jobs/${id}`)
    expect(payload).toMatchObject({ kind: 'json', cut: true, size: 100_009 })
    expect(payload.text).toHaveLength(65_536)
    expect((await page.get('api/jobs')).jobs[0].payload).toHaveLength(200)
  })

  it('gets no 101st feed, and the 5th operation at a time not before another ends', async () => {
    await using page = await board()
    const feeds = await Promise.all(Array.from({ length: 100 }, () => page.ask('GET', 'api/events')))
    const refused = await page.ask('GET', 'api/events')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10'])
    await Promise.all(feeds.map(async ({ body }) => await body?.cancel()))
    const again = await page.ask('GET', 'api/events')
    expect(again.status).toBe(200)
    await again.body?.cancel()

    const one = { action: 'retry', ids: ['a'] }
    const all = await Promise.all(Array.from({ length: 5 }, () => page.ask('POST', 'api/operations', one)))
    expect(all.map(({ status }) => status).toSorted()).toEqual([202, 202, 202, 202, 429])
  })
})

describe('secrets', () => {
  const canary = 'canary-4f1c'
  const paths = (id: string) => [
    'api/jobs',
    `api/jobs/${id}`,
    `api/jobs/${id}/logs`,
    'api/overview',
    `api/jobs?id=${id}`,
  ]
  const leaky = mail.handle((_, job) => {
    job.log.warn(`with ${canary}`, { key: canary })
    if (job.attempt === 1) throw new Error(`refused ${canary}`, { cause: new Error(canary) })
    return { token: canary }
  })

  async function shown(options: Partial<DashboardOptions>): Promise<string> {
    const testing = await openTesting('sqlite::memory:')
    const page = over(testing.jobs, options)
    const { id } = await testing.jobs.enqueue(mail, { to: canary })
    await testing.drain([leaky], { later: true })
    const all = await Promise.all(paths(id).map(async (path) => await (await page.ask('GET', path)).text()))
    const found = await page.get(`api/jobs?text=${canary}`)
    await testing.close()
    return `${all.join('\n')}\nfound ${found.jobs.length}`
  }

  it('are shown without redact, as payload, result, failure, stack and log', async () => {
    expect((await shown({})).split(canary).length).toBeGreaterThan(8)
  })

  it('are shown nowhere that redact hides them, nor found by a search', async () => {
    const seen = new Set<string>()
    const hide = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null).replaceAll(canary, '***'))
    const all = await shown({
      redact: (value, { part, task }) => {
        seen.add(`${task} ${part}`)
        return hide(value)
      },
    })
    expect(all).not.toContain(canary)
    expect(all).toContain('refused ***')
    expect(all).toContain('with ***')
    expect(all).toContain('found 0')
    expect([...seen].toSorted()).toEqual(['mail failure', 'mail log', 'mail payload', 'mail result'])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('bug')
      },
    ],
    ['gives nothing', () => undefined],
    ['gives what is no JSON', () => 1n],
    [
      'gives a cycle',
      () => {
        const a: unknown[] = []
        a.push(a)
        return a
      },
    ],
    ['gives a number', () => 7],
  ])('stay hidden when redact %s', async (_, redact) => {
    const all = await shown({ redact })
    expect(all).not.toContain(canary)
    expect(all).toContain('found 0')
  })

  it('of a store that fails are told to the log, not to the browser', async () => {
    class Broken extends MemoryStore {
      override list(): never {
        throw new StoreError(`password ${canary}`, { retryable: false })
      }
    }
    await using testing = await openTesting(new Broken())
    const page = over(testing.jobs)
    const response = await page.ask('GET', 'api/jobs')
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain(canary)
    expect(page.errors).toMatchObject([{ message: `password ${canary}` }])
  })
})

it('answers even when what listens to its errors throws', async () => {
  await using page = await board({
    authorize: () => Promise.reject(new Error('away')),
    onError: () => {
      throw new Error('log is full')
    },
  })
  expect((await page.ask('GET', 'api/jobs')).status).toBe(401)
})

it('says 503 once the jobs are closed, and ends its feeds', async () => {
  const testing = await openTesting('memory:')
  const page = over(testing.jobs)
  const feed = await page.ask('GET', 'api/events')
  await testing.close()
  await testing.clock.advance('3s')
  expect(await feed.text()).toMatch(/event: end\ndata: \{\}\n\n$/)
  expect((await page.ask('GET', 'api/jobs')).status).toBe(503)
  expect(page.errors).toEqual([])
  expect(testing.clock.waiting).toBe(0)
})
