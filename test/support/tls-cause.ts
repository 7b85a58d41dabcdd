/** What one row of docs/why-tls-fails.md is: a cause, how it is brought about, and what must come of it. */
import type { SecureClientOptions, SecureEtcd3 } from '../../src/client/index.js'
import type { Credentials, CredentialSource } from '../../src/credentials/index.js'
import type { ErrorCode } from '../../src/report/errors.js'
import type { Finding, FindingCode } from '../../src/report/index.js'
import type { MintedPki } from './etcd.js'
import type { TlsStage } from './tls-stage.js'

/** A cause, brought about. */
export interface Situation {
  readonly endpoint: string
  readonly credentials: Credentials | CredentialSource
  /** What plain etcd3 is given, where that is not `credentials`. */
  readonly plain?: PlainCredentials
  /** Plain etcd3 has no part in it. */
  readonly withoutPlain?: true
  /** The call of plain etcd3 hangs, for 2.5 s here: it is asked in `npm run test:long` alone. */
  readonly plainHangs?: true
  /** Next to endpoints and credentials. */
  readonly options?: Partial<SecureClientOptions>
  /** The call that fails. Default: a get. */
  readonly ask?: (client: SecureEtcd3) => Promise<unknown>
  /** The same attempt by a client in another process, where the cause is in the process. Plain etcd3 is not asked then. */
  readonly elsewhere?: () => Promise<{ error: ErrorCode | null; findings: readonly Finding[] }>
  /** What the remedy changes: with it, the client connects. */
  readonly cure?: Partial<SecureClientOptions>
  /** Undoes it. */
  readonly end?: () => Promise<void>
}

/** `credentials` of plain etcd3. */
export interface PlainCredentials {
  readonly rootCertificate: Buffer
  readonly privateKey?: Buffer
  readonly certChain?: Buffer
}

export interface Cause {
  /** The row's first cell: what is wrong. */
  readonly cause: string
  /** The code of our error; null if we connect all the same. */
  readonly error: ErrorCode | null
  /** The errors found, worst first; where we connect, all that was found. */
  readonly codes: readonly FindingCode[]
  /** The certificate that the first finding names: `client leaf CN=root`, `server leaf CN=etcd`; null for none. */
  readonly certificate: string | null
  /** Codes of further findings, which say more about the cause. */
  readonly hints?: readonly FindingCode[]
  /** What the first finding tells next to its text, at least. */
  readonly details?: object
  /** The codes with an etcd built with a Go before 1.21, whose alert is 42 whatever the reason. */
  readonly codesOfOldGo?: readonly FindingCode[]
  /** `details` of etcd 3.4, which does not list its CAs. */
  readonly detailsOf34?: object
  readonly setUp: (stage: TlsStage, pki: MintedPki) => Situation | Promise<Situation>
}

/** Causes of one kind, under one heading. */
export interface CauseGroup {
  readonly title: string
  /** One paragraph that says how such causes are distinguished from others. */
  readonly text: string
  readonly causes: readonly Cause[]
}
