/**
 * Logs in to etcd with a password over the verified connections. etcd3's own authenticator would open another
 * connection with different trust rules.
 */
import type { OutgoingHttpHeaders } from 'node:http2'
import { backoffPause } from '../../report/duration.js'
import { status, type StatusObject } from './channel.js'

const AUTHENTICATE = '/etcdserverpb.Auth/Authenticate'
const NO_HEADERS: OutgoingHttpHeaders = {}

/**
 * Pauses in milliseconds after a refused password, in which calls fail without another login: etcd computes a bcrypt for each, and its
 * answer changes only when somebody sets the password of the user.
 */
const PAUSES = { first: 1000, longest: 30_000 }

/** Maximum number of consecutive refusals of a new token: etcd3 would repeat the call without end. */
const MAX_REFUSALS = 3

export interface EtcdUser {
  readonly name: string
  readonly password: string
}

/** `refused`: etcd refused the name or the password, so another attempt does not help. */
export class LoginError extends Error {
  readonly refused: boolean
  /** The option of the login that ends with a line break, which no name or password of etcd has by intention. */
  readonly lineBreakIn: 'username' | 'password' | null

  constructor(message: string, refused: boolean, { cause, user }: { cause: unknown; user: EtcdUser }) {
    super(message, { cause })
    this.refused = refused
    this.lineBreakIn = /[\r\n]$/.test(user.name) ? 'username' : /[\r\n]$/.test(user.password) ? 'password' : null
  }
}

export class Login {
  readonly #authenticate: () => Promise<string | null>
  #headers: OutgoingHttpHeaders | null = null
  #running: Promise<void> | null = null
  #refusals = 0
  /** The last refusal of the password, until when it counts by `performance.now()`, and how many there were in succession. */
  #refused: { readonly error: LoginError; readonly until: number; readonly count: number } | null = null

  /** @param authenticate Fetches a token; null if authentication is not enabled in etcd. Rejects with a {@link LoginError}. */
  constructor(authenticate: () => Promise<string | null>) {
    this.#authenticate = authenticate
  }

  headersFor(path: string): OutgoingHttpHeaders | null {
    // etcd would check an old or empty token instead of the password (AuthInfoFromCtx).
    return path === AUTHENTICATE ? NO_HEADERS : this.#headers
  }

  /** Rejects at once with the last refusal while the pause after it lasts. */
  run(): Promise<void> {
    if (this.#refused !== null && performance.now() < this.#refused.until) return Promise.reject(this.#refused.error)
    this.#running ??= this.#fetch().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #fetch(): Promise<void> {
    const token = await this.#authenticate().catch((error: unknown) => {
      if (error instanceof LoginError && error.refused) this.#pauseAfter(error)
      throw error
    })
    this.#refused = null
    // The bare token: etcd before 3.5.32 considers "Bearer …" an unknown token.
    this.#headers = token === null ? NO_HEADERS : { token }
  }

  #pauseAfter(error: LoginError): void {
    const count = (this.#refused?.count ?? 0) + 1
    this.#refused = { error, until: performance.now() + backoffPause(count, PAUSES), count }
  }

  /** Discards a token that etcd refused, so that the next call fetches a new one. */
  review(outcome: StatusObject, { path, headers }: { path: string; headers: OutgoingHttpHeaders }): StatusObject {
    if (path === AUTHENTICATE) return outcome
    if (outcome.code === status.OK) this.#refusals = 0
    if (!isTokenRefused(outcome)) return outcome
    // Only the token that this call carried: another call may have fetched a new one meanwhile.
    if (this.#headers !== null && headers['token'] === this.#headers['token']) {
      this.#headers = null
      this.#refusals += 1
    }
    if (this.#refusals < MAX_REFUSALS) return outcome
    this.#refusals = 0
    const details = 'etcd refuses the tokens that it has just issued: its members may disagree on the users'
    return { ...outcome, details }
  }
}

/** etcd api/v3rpc/rpctypes: ErrInvalidAuthToken, ErrAuthOldRevision. */
export function isTokenRefused({ code, details }: StatusObject): boolean {
  return (
    (code === status.UNAUTHENTICATED && details.includes('invalid auth token')) ||
    (code === status.INVALID_ARGUMENT && details.includes('revision of auth store is old'))
  )
}
