import { once } from 'node:events'
import { connect as connectTo, createServer, type Socket } from 'node:net'

import { describe, expect, inject, it, onTestFinished } from 'vitest'

import { connect, newDatabase, newPrefix, newProxy } from './kit.ts'
import type { TcpProxy } from './proxy.ts'
import { until } from './until.ts'

/** Sends back what it gets, and notes it. */
async function echo(): Promise<{ readonly url: string; heard(): string; readonly ends: readonly unknown[] }> {
  const chunks: Buffer[] = []
  const ends: unknown[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', (broken) => ends.push(broken ? 'broken' : 'ended'))
    socket.pipe(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `tcp://127.0.0.1:${address.port}`, heard: () => Buffer.concat(chunks).toString(), ends }
}

interface Caller {
  send(text: string): void
  end(): void
  /** What came back, once it is so long. */
  heard(length: number): Promise<string>
  /** How the connection came to its end: `ended`, or an error's code. */
  readonly ended: Promise<string>
  readonly sofar: string
}

async function call(proxy: TcpProxy): Promise<Caller> {
  const socket = connectTo(proxy.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let text = ''
  let how = 'ended'
  socket.on('data', (chunk) => (text += chunk.toString()))
  socket.on('error', (error: NodeJS.ErrnoException) => (how = error.code ?? error.message))
  await once(socket, 'connect')
  return {
    send: (words) => void socket.write(words),
    end: () => void socket.end(),
    heard: async (length) => await until(`heard ${length}`, () => (text.length >= length ? text : undefined)),
    ended: new Promise((resolve) => socket.once('close', () => resolve(how))),
    get sofar() {
      return text
    },
  }
}

describe('a proxy', () => {
  it('passes bytes both ways, and the end', async () => {
    const server = await echo()
    const proxy = await newProxy(server.url)
    const caller = await call(proxy)
    caller.send('hello')
    expect(await caller.heard(5)).toBe('hello')
    caller.end()
    expect(await caller.ended).toBe('ended')
    expect({ accepted: proxy.accepted, ends: server.ends }).toEqual({ accepted: 1, ends: ['ended'] })
  })

  it('passes megabytes unchanged', async () => {
    const caller = await call(await newProxy((await echo()).url))
    const text = 'jobferry'.repeat(500_000)
    caller.send(text)
    expect((await caller.heard(text.length)) === text).toBe(true)
  })

  it('refuses new connections while those there are go on, and takes new ones again', async () => {
    const proxy = await newProxy((await echo()).url)
    const caller = await call(proxy)
    await proxy.refuse()
    await expect(call(proxy)).rejects.toThrow('ECONNREFUSED')
    caller.send('still')
    expect(await caller.heard(5)).toBe('still')
    await proxy.pass()
    const other = await call(proxy)
    other.send('again')
    expect(await other.heard(5)).toBe('again')
  })

  it('cuts all connections now, at both ends, by a reset or by an end', async () => {
    const server = await echo()
    const proxy = await newProxy(server.url)
    const [one, two] = [await call(proxy), await call(proxy)]
    one.send('1')
    two.send('2')
    await Promise.all([one.heard(1), two.heard(1)])
    await proxy.cut()
    expect(await Promise.all([one.ended, two.ended])).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect(proxy.connections).toBe(0)
    const three = await call(proxy)
    three.send('3')
    await three.heard(1)
    await proxy.cut({ reset: false })
    expect(await three.ended).toBe('ended')
    await until('the server sees it', () => (server.ends.length === 3 ? true : undefined))
    expect(server.ends).toEqual(['broken', 'broken', 'ended'])
  })

  it('cuts a connection after so many bytes of its requests', async () => {
    const server = await echo()
    const proxy = await newProxy(server.url)
    const caller = await call(proxy)
    await proxy.cutAfter(7)
    caller.send('hello')
    await caller.heard(5)
    caller.send(' world')
    expect(await caller.ended).toBe('ended')
    await until('the server sees it', () => server.ends[0])
    expect(server.heard()).toBe('hello w')
  })

  it('cuts a connection after so many bytes of its replies', async () => {
    const server = await echo()
    const proxy = await newProxy(server.url)
    await proxy.cutAfter(7, 'replies')
    const caller = await call(proxy)
    caller.send('hello world')
    expect(await caller.ended).toBe('ended')
    expect({ sent: server.heard(), received: caller.sofar }).toEqual({ sent: 'hello world', received: 'hello w' })
  })

  it('holds requests back in a black hole, sockets open, until it passes again', async () => {
    const server = await echo()
    const proxy = await newProxy(server.url)
    const caller = await call(proxy)
    caller.send('one ')
    await caller.heard(4)
    await proxy.blackHole('requests')
    caller.send('two ')
    const other = await call(proxy)
    other.send('three')
    await call(proxy) // by now the words of the two have come to the proxy
    expect(server.heard()).toBe('one ')
    await proxy.pass()
    expect(await Promise.all([caller.heard(8), other.heard(5)])).toEqual(['one two ', 'three'])
  })

  it('holds replies back in a black hole, while requests reach the server', async () => {
    const server = await echo()
    const proxy = await newProxy(server.url)
    await proxy.blackHole('replies')
    const caller = await call(proxy)
    caller.send('hello')
    await until('the server hears it', () => (server.heard() === 'hello' ? true : undefined))
    expect(caller.sofar).toBe('')
    await proxy.pass()
    expect(await caller.heard(5)).toBe('hello')
  })

  it('hides from the server, in a black hole, that the client has gone', async () => {
    const server = await echo()
    const proxy = await newProxy(server.url)
    const caller = await call(proxy)
    caller.send('hello')
    await caller.heard(5)
    await proxy.blackHole()
    caller.end()
    const other = await call(proxy) // by now the end of the first has come to the proxy
    expect({ ends: server.ends, connections: proxy.connections }).toEqual({ ends: [], connections: 2 })
    await proxy.cut()
    expect(await other.ended).toBe('ECONNRESET')
  })

  it('delays both ways, keeps the order, and gives up waiting when it passes again', async () => {
    const proxy = await newProxy((await echo()).url)
    const caller = await call(proxy)
    await proxy.delay(30, { jitterMs: 30 })
    const startedAt = performance.now()
    for (const word of ['1', '2', '3', '4']) caller.send(word)
    expect(await caller.heard(4)).toBe('1234')
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(60)
    await proxy.delay(600_000)
    caller.send('5')
    await proxy.pass()
    expect(await caller.heard(5)).toBe('12345')
  })

  it('loses the reply to one request that matches, which the server has had', async () => {
    const server = await echo()
    const proxy = await newProxy(server.url)
    await proxy.loseReply('commit')
    const [caller, other] = [await call(proxy), await call(proxy)]
    caller.send('begin ')
    await caller.heard(6)
    caller.send('commit')
    expect(await caller.ended).toBe('ECONNRESET')
    expect({ heard: server.heard(), received: caller.sofar }).toEqual({ heard: 'begin commit', received: 'begin ' })
    other.send('commit')
    expect(await other.heard(6)).toBe('commit')
  })

  it('loses the reply to a commit that PostgreSQL has carried out', async () => {
    const url = await newDatabase()
    const direct = await connect(url)
    await direct.query('create table t (n int)')
    const proxy = await newProxy(url)
    const client = await connect(proxy.url)
    await client.query('begin')
    await client.query('insert into t values (1)')
    await proxy.loseReply((chunk) => chunk.includes('commit'))
    await expect(client.query('commit')).rejects.toThrow('ECONNRESET')
    expect((await direct.query('select n from t')).rows).toEqual([{ n: 1 }])
  })

  it('loses the reply to a command that Redis has carried out', async () => {
    const { url } = inject('redis')
    const [key, proxy, direct] = [newPrefix(), await newProxy(url), await call(await newProxy(url))]
    await proxy.loseReply('incr')
    const caller = await call(proxy)
    caller.send(`incr ${key}\r\n`)
    expect(await caller.ended).toBe('ECONNRESET')
    direct.send(`get ${key}\r\n`)
    expect(await direct.heard(7)).toBe('$1\r\n1\r\n')
  })

  it('breaks the connection of a client whose server cannot be reached', async () => {
    const proxy = await newProxy('tcp://127.0.0.1:1')
    expect(await (await call(proxy)).ended).toBe('ECONNRESET')
  })

  it('holds no connection and no port once it is disposed of', async () => {
    const proxy = await newProxy((await echo()).url)
    const caller = await call(proxy)
    caller.send('hello')
    await caller.heard(5)
    await proxy[Symbol.asyncDispose]()
    await caller.ended
    await expect(call(proxy)).rejects.toThrow('ECONNREFUSED')
    expect(proxy.connections).toBe(0)
  })
})
