/** etcd's way with revocation lists as a witness: the program in `go-lists/`, run once for all questions. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A file for `--client-crl-file`, and the serial numbers that a client's certificates have. */
export interface ListQuestion {
  readonly file: Uint8Array
  readonly serials: readonly bigint[]
}

/** The words by which etcd refuses the client; empty where it lets it in. */
export interface ListAnswer {
  /** etcd up to 3.5. */
  readonly v35: string
  /** etcd from 3.6 on. */
  readonly v36: string
}

/** Offline: the standard library only, by the Go that is installed. */
const GO_ENVIRONMENT = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GO111MODULE: 'on', GOFLAGS: '', GOWORK: 'off' }

export function askEtcdAboutLists(questions: readonly ListQuestion[]): ListAnswer[] {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const lines = questions.map(({ file, serials }) =>
    JSON.stringify({ file: base64(file), serials: serials.map((serial) => base64(octetsOf(serial))) }),
  )
  const output = execFileSync('go', ['run', '.'], {
    cwd: fileURLToPath(new URL('go-lists/', import.meta.url)),
    env: {
      ...process.env,
      ...GO_ENVIRONMENT,
      GOCACHE: fileURLToPath(new URL('../../.cache/go-build', import.meta.url)),
    },
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: 'pipe',
  })
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ListAnswer)
}

function octetsOf(serial: bigint): Buffer {
  const hex = serial.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
}
