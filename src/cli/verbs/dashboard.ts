import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

import { UsageError } from '../../core/errors.ts'
import { type DashboardOptions, dashboard, toNode } from '../../dashboard/index.ts'
import type { Jobs } from '../../jobs.ts'
import { importTasks } from '../modules.ts'
import { shownUrls, withStoreThere } from '../open-store.ts'
import { flag, many, onlyGiven, text, type Values, whole } from '../options.ts'
import { type Call, type Verb, verb } from '../verb.ts'

const usualPort = 7_654

/** How long a request may take to say what it wants, in milliseconds: headers, and all of it. */
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000

const lastWordsMs = 250

const options = {
  port: whole(`where to listen; default ${usualPort}, 0 for any that is free`, 0, 65_535),
  host: text('<address>', 'what to listen on; default 127.0.0.1. Any other needs a token'),
  token: text('<token>', 'who has it may do everything; better in JOBFERRY_TOKEN, which no list of processes shows'),
  'read-token': text('<token>', 'who has it may look; better in JOBFERRY_READ_TOKEN'),
  'read-only': flag('nobody may change anything'),
  'allow-host': many('<name>', 'answer to this name too, as it stands in the address bar; several may be given'),
  module: many('<module>', 'where tasks are declared: enqueues by hand are then checked; several may be given'),
}

/** The dashboard of a store, until it is interrupted. */
export const dashboardVerb: Verb = verb({
  name: 'dashboard',
  usage: '[url]',
  words: [0, 1],
  summary: 'Serves a page to look at jobs and steer them, and its JSON API, on this machine alone.',
  notes:
    'Without a token everybody on this machine may use it. On another address than a loopback one it does not start without.\n' +
    'The page asks for the token; scripts send it as authorization: Bearer. Ctrl-C ends it.',
  importing: true,
  options,
  async run(given) {
    const call = withUrl(given)
    const { values, terminal } = call
    const { host = '127.0.0.1', port = usualPort } = values
    const tokens = tokensOf(call)
    expectSafe(host, tokens)
    const tasks = values.module === undefined ? [] : await importTasks(values.module, terminal.io.cwd)
    return await withStoreThere(call, async (jobs) => {
      const server = createServer({
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
        connectionsCheckingInterval: headersTimeoutMs / 2,
      })
      const bound = await listening(server, port, host)
      const hosts = [...namesOf(host, bound), ...(values['allow-host'] ?? [])]
      try {
        return await serve(jobs, server, { hosts, tasks, ...access(tokens, values) }, call)
      } finally {
        await closed(server)
      }
    })
  },
})

type Given = Call<typeof options>

async function serve(
  jobs: Jobs,
  server: Server,
  given: DashboardOptions & { readonly hosts: readonly string[] },
  call: Given,
): Promise<number> {
  const { values, terminal } = call
  const board = dashboard(jobs, { ...given, onError: (error) => terminal.complain(error) })
  server.on('request', toNode(board))
  const interrupted = terminal.interruptible()
  const url = `http://${given.hosts[0]}/`
  if (terminal.json) terminal.give({ url })
  else {
    terminal.say(`Dashboard of ${shownUrls(call)}: ${url}`)
    if (isEverywhere(values.host) && values['allow-host'] === undefined)
      terminal.note('It answers to no other name than localhost: say with --allow-host which there are.')
    const who = given.tokens === undefined ? 'Everybody on this machine may use it.' : 'It asks for the token.'
    terminal.note(`${who} Ctrl-C ends it.`)
  }
  if (!interrupted.aborted) await once(interrupted, 'abort')
  board.close()
  return 0
}

/** The store may stand as a word, too: `jobferry dashboard sqlite:app.db`. */
function withUrl(call: Given): Given {
  const [url] = call.words
  if (url === undefined) return call
  if (call.values.url !== undefined) throw new UsageError('Expected the store once, as a word or with --url, got both')
  return { ...call, values: { ...call.values, url: [url] } }
}

function tokensOf({ values, terminal: { io } }: Given): { readonly full?: string; readonly read?: string } {
  const set = (name: string): string | undefined => (io.env[name] === '' ? undefined : io.env[name])
  const full = values.token ?? set('JOBFERRY_TOKEN')
  const read = values['read-token'] ?? set('JOBFERRY_READ_TOKEN')
  return onlyGiven(values['read-only'] === undefined ? { full, read } : { read: read ?? full })
}

function access(
  tokens: { readonly full?: string; readonly read?: string },
  values: Values<typeof options>,
): Pick<DashboardOptions, 'authorize' | 'tokens'> {
  if (Object.keys(tokens).length > 0) return { tokens }
  return { authorize: () => (values['read-only'] === undefined ? 'full' : 'read') }
}

/** @throws UsageError for an address that others reach, unless they have to show a token */
function expectSafe(host: string, tokens: object): void {
  if (isLoopback(host) || Object.keys(tokens).length > 0) return
  throw new UsageError(
    `Expected a token to listen on ${host}, where others reach it: set JOBFERRY_TOKEN (openssl rand -hex 24), or leave --host out`,
  )
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}

/** Lets answers that are under way, the last words of feeds among them, go out, but not for long. */
async function closed(server: Server): Promise<void> {
  const end = once(server, 'close')
  server.close()
  const timer = setTimeout(() => server.closeAllConnections(), lastWordsMs)
  await end
  clearTimeout(timer)
}

function isEverywhere(host: string | undefined): boolean {
  return host === '0.0.0.0' || host === '::'
}

async function listening(server: Server, port: number, host: string): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

/** The names by which a browser may have come, with the port: fixed now, whatever a request says later. */
function namesOf(host: string, port: number): readonly string[] {
  const own = isIPv6(host) ? `[${host}]` : host
  const names = isEverywhere(host) ? ['localhost', '127.0.0.1', '[::1]'] : [own, 'localhost', '127.0.0.1', '[::1]']
  return [...new Set(names.map((name) => `${name}:${port}`))]
}
