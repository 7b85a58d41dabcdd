/** Go's reading of what was issued: `go/issued.go`, run once for all questions. */
import type { Credentials } from '../../src/credentials/credentials.js'
import type { Certificate } from '../../src/x509/certificate.js'
import { runGo } from './go-program.js'

/** Certificates are PEM texts, the leaf first; a list is DER in base64. */
export type GoIssuedQuestion =
  | { ask: 'certificate'; chain: string }
  | { ask: 'verify'; chain: string; roots: string; usage: 'server' | 'client'; host?: string; at?: string }
  | { ask: 'list'; roots: string; list: string }

export interface GoIssuedAnswer {
  /** Go's words of refusal; empty if it accepts. */
  readonly words: string
  readonly serial: string
  readonly subject: string
  readonly issuer: string
  readonly notBefore: string
  readonly notAfter: string
  readonly ca: boolean
  /** -1 for none. */
  readonly pathLength: number
  /** x509.KeyUsage: digitalSignature is 1, keyEncipherment 4, keyCertSign 32, cRLSign 64. */
  readonly keyUsage: number
  /** x509.ExtKeyUsage: serverAuth is 1, clientAuth 2. */
  readonly purposes: readonly number[] | null
  readonly names: readonly string[]
  readonly permitted: readonly string[]
  readonly excluded: readonly string[]
  readonly key: string
  readonly signature: string
  /** Critical extensions that Go does not know. */
  readonly unhandled: number
  readonly number: string
  /** Serial number in hexadecimal, and reason. */
  readonly revoked: readonly string[]
}

export function askGoAboutIssued(questions: readonly GoIssuedQuestion[]): GoIssuedAnswer[] {
  return runGo('issued', questions) as GoIssuedAnswer[] // the program's own form
}

export function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map((each) => each.toPem()).join('')
}

/** The question whether Go accepts credentials, for those who trust `trusted`: their own anchors unless told otherwise. */
export function verifyQuestion(
  { chain, trustAnchors }: Pick<Credentials, 'chain' | 'trustAnchors'>,
  usage: 'server' | 'client',
  more: { host?: string; at?: string; trusted?: readonly Certificate[] } = {},
): GoIssuedQuestion {
  const { trusted = trustAnchors, ...rest } = more
  return { ask: 'verify', chain: pemOf(chain), roots: pemOf(trusted), usage, ...rest }
}
