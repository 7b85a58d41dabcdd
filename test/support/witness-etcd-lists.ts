/** etcd's way with revocation lists as a witness: the program in `go-lists/`, run once for all questions. */
import { runGo } from './run-go.js'

/** A file for `--client-crl-file`, and the serial numbers that a client's certificates have. */
export interface ListQuestion {
  readonly file: Uint8Array
  readonly serials: readonly bigint[]
}

/** The words by which etcd refuses the client; empty if it lets it in. */
export interface ListAnswer {
  /** etcd up to 3.5. */
  readonly v35: string
  /** etcd from 3.6 on. */
  readonly v36: string
}

export function askEtcdAboutLists(questions: readonly ListQuestion[]): ListAnswer[] {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const asked = questions.map(({ file, serials }) => ({
    file: base64(file),
    serials: serials.map((serial) => base64(octetsOf(serial))),
  }))
  return runGo('go-lists', asked) as ListAnswer[] // the program's own form
}

function octetsOf(serial: bigint): Buffer {
  const hex = serial.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
}
