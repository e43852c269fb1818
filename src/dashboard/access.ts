import { createHmac, timingSafeEqual } from 'node:crypto'

import { UsageError } from '../core/errors.ts'
import { bearer } from './guard.ts'
import type { Access } from './shapes.ts'

/** Says what a request may do, by whatever the application knows of its sender. What it throws refuses the request. */
export type Authorize = (request: Request) => Access | Promise<Access>

/** Who knows `full` may steer, who knows `read` may look. At least 16 characters each, of those that a header can carry. */
export interface Tokens {
  readonly full?: string | undefined
  readonly read?: string | undefined
}

/** A shorter one can be guessed. */
const shortestToken = 16

/** How long a cookie of the page's lives, in seconds. */
const cookieSeconds = 30 * 24 * 3_600

/** Access by tokens: as `authorization: Bearer`, or by the cookie that `signIn` gives for one. */
export class TokenAccess {
  readonly #tokens: readonly (readonly [access: Access, token: string])[]
  /** Cookies do not tell ports apart: two dashboards on one machine need two names. */
  readonly #cookie: string

  /** @throws UsageError for a token that is too short or has other characters than those of a header, or for none */
  constructor(tokens: Tokens) {
    this.#tokens = (['full', 'read'] as const).flatMap((access) => {
      const token = tokens[access]
      return token === undefined ? [] : [[access, expectToken(token, access)] as const]
    })
    if (this.#tokens.length === 0) throw new UsageError('Expected `tokens` to have `full`, `read` or both')
    this.#cookie = `jobferry-${digest('name', this.#tokens.map(([, token]) => token).join(' '))
      .toString('hex')
      .slice(0, 8)}`
  }

  accessOf(request: Request): Access {
    const token = bearer(request)
    if (token !== undefined) return this.#match((own) => digest('token', own), digest('token', token))
    const cookie = this.#cookieOf(request)
    if (cookie === undefined) return 'none'
    return this.#match((own) => Buffer.from(digest('cookie', own).toString('hex')), Buffer.from(cookie))
  }

  /** Whether the request has its access by a cookie. */
  signedIn(request: Request): boolean {
    return bearer(request) === undefined && this.#cookieOf(request) !== undefined && this.accessOf(request) !== 'none'
  }

  /** The cookie for a token, and what it may do; `undefined` for a wrong one. */
  signIn(
    token: string,
    path: string,
    secure: boolean,
  ): { readonly access: Access; readonly cookie: string } | undefined {
    const access = this.#match((own) => digest('token', own), digest('token', token))
    const own = this.#tokens.find(([one]) => one === access)
    if (own === undefined) return undefined
    const value = digest('cookie', own[1]).toString('hex')
    return { access, cookie: this.#setCookie(value, path, secure, cookieSeconds) }
  }

  signOut(path: string, secure: boolean): string {
    return this.#setCookie('', path, secure, 0)
  }

  #setCookie(value: string, path: string, secure: boolean, seconds: number): string {
    return `${this.#cookie}=${value}; Path=${path}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
  }

  #cookieOf(request: Request): string | undefined {
    const start = `${this.#cookie}=`
    return (request.headers.get('cookie') ?? '')
      .split(/; */)
      .find((one) => one.startsWith(start))
      ?.slice(start.length)
  }

  /** Compares with every token, in a time that tells nothing: digests are equally long, and none ends the search. */
  #match(digested: (own: string) => Buffer, given: Buffer): Access {
    let access: Access = 'none'
    for (const [one, token] of this.#tokens.toReversed()) {
      const own = digested(token)
      if (own.byteLength === given.byteLength && timingSafeEqual(own, given)) access = one
    }
    return access
  }
}

function digest(purpose: 'token' | 'cookie' | 'name', token: string): Buffer {
  return createHmac('sha256', `jobferry dashboard ${purpose}`).update(token).digest()
}

function expectToken(token: unknown, access: string): string {
  if (typeof token === 'string' && token.length >= shortestToken && /^[\x21-\x7E]+$/.test(token)) return token
  throw new UsageError(
    `Expected the ${access} token to have at least ${shortestToken} characters, without spaces or accents. A good one: openssl rand -hex 24`,
  )
}
