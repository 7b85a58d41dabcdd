/** What one row of docs/why-tls-fails.md is: a cause, how it is brought about, and what must come of it. */
import type { SecureClientOptions, SecureEtcd3 } from '../../src/client/index.js'
import type { Credentials, CredentialSource } from '../../src/credentials/index.js'
import type { ErrorCode } from '../../src/report/errors.js'
import type { Finding, FindingCode } from '../../src/report/index.js'
import type { MintedPki, Pems } from './etcd.js'
import type { Peer } from './peers.js'
import { saysOf } from './tls-cause-says.js'
import type { SetUpName, TlsStage } from './tls-stage.js'

/** A cause, brought about. */
export interface Situation {
  readonly endpoint: string
  readonly credentials: Credentials | CredentialSource
  /** What plain etcd3 is given, if that is not `credentials`; `none`: it has no part in it; `hangs`: its call hangs. */
  readonly plain?: Partial<Pems> | 'none' | 'hangs'
  /** Next to endpoints and credentials. */
  readonly options?: Partial<SecureClientOptions>
  /** The call that fails. Default: a get. */
  readonly ask?: (client: SecureEtcd3) => Promise<unknown>
  /** The same attempt by a client in another process, if the cause is in the process. */
  readonly elsewhere?: () => Promise<Outcome>
  /** What the remedy changes: with it, the client connects. */
  readonly cure?: Partial<SecureClientOptions>
  /** Undoes it. */
  readonly end?: () => unknown
}

export interface Outcome {
  readonly error: ErrorCode | null
  readonly findings: readonly Finding[]
}

export interface Cause {
  /** The row's first cell: what is wrong. */
  readonly cause: string
  /** The code of our error; null if we connect all the same. */
  readonly error: ErrorCode | null
  /** The errors found, worst first; if we connect, all that was found. */
  readonly codes: readonly FindingCode[]
  /** What the first two sentences of the first finding say: the values that distinguish this cause. */
  readonly says: readonly string[]
  /** The certificate that the first finding names: `client leaf CN=root`, `server leaf CN=etcd`; null for none. */
  readonly certificate: string | null
  /** Codes of further findings, which say more about the cause. */
  readonly hints?: readonly FindingCode[]
  /** Details of the first finding, at least. */
  readonly details?: object
  /** The codes with an etcd built with a Go before 1.21, whose alert is 42 whatever the reason. */
  readonly codesOfOldGo?: readonly FindingCode[]
  /** It takes a second or more: `npm test` tries some of these. */
  readonly isSlow?: boolean
  /** The examination, which does not see what the server chose by ALPN, reports it by another code. */
  readonly isOfClient?: boolean
  readonly setUp: SetUp
}

export type SetUp = (stage: TlsStage, pki: MintedPki) => Situation | Promise<Situation>

/** Causes of one kind, under one heading. */
export interface CauseGroup {
  readonly title: string
  /** One paragraph that says how such causes are distinguished from others. */
  readonly text: string
  readonly causes: readonly Cause[]
}

/** Makes rows that end with this error, about this certificate. */
export function rowsOf(error: ErrorCode | null, certificate: string | null = null) {
  return (cause: string, codes: readonly FindingCode[], setUp: SetUp, more: Partial<Cause> = {}): Cause => ({
    cause,
    error,
    certificate,
    codes,
    says: saysOf(cause, codes.length > 0),
    setUp,
    ...more,
  })
}

export const connects = rowsOf(null)
export const refused = rowsOf('ERR_HANDSHAKE_FAILED')
export const unreachable = rowsOf('ERR_UNREACHABLE')
/** The certificate of the client is refused by the other side. */
export const oursRefused = rowsOf('ERR_HANDSHAKE_FAILED', 'client leaf CN=root')

/** The client and an etcd of the stage, with more options. */
export function etcd(name: SetUpName, options: Partial<SecureClientOptions> = {}): SetUp {
  return ({ etcds }, pki) => ({ endpoint: etcds[name].endpoint, credentials: pki.client, options })
}

/** The client and a small server. */
export function peer(make: (pki: MintedPki) => Promise<Peer>): SetUp {
  return async (_stage, pki) => {
    const made = await make(pki)
    return { endpoint: made.endpoint, credentials: pki.client, end: () => made[Symbol.asyncDispose]() }
  }
}

/** A row in which nobody answers: plain etcd3 waits without an end, and this client for `dialTimeout`. */
export function unanswered(
  cause: string,
  code: FindingCode,
  setUp: SetUp,
  { dialTimeout = '1s', ...details }: { dialTimeout?: string; [name: string]: unknown } = {},
): Cause {
  const hanging: SetUp = async (stage, pki) => ({
    ...(await setUp(stage, pki)),
    options: { dialTimeout },
    plain: 'hangs',
  })
  return unreachable(cause, [code], hanging, { details, isSlow: true })
}
