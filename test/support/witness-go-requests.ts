/** Go's way with certificate requests and private keys: the program in `go-requests/`, run once for all questions. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A request to make, or a text in PEM to read. */
export type GoQuestion =
  | { ask: 'make'; form: 'go' | 'bare' | 'step' | 'cert-manager'; key: string }
  | { ask: 'read' | 'key' | 'certificate'; pem: string }

export interface GoAnswer {
  /** Go's words of refusal; empty where it accepts. */
  readonly words: string
  readonly pem: string
  readonly subject: string
  readonly names: readonly string[] | null
  readonly kind: string
}

/** Offline: the standard library only, by the Go that is installed. */
const GO_ENVIRONMENT = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GO111MODULE: 'on', GOFLAGS: '', GOWORK: 'off' }

export function askGo(questions: readonly GoQuestion[]): GoAnswer[] {
  const output = execFileSync('go', ['run', '.'], {
    cwd: fileURLToPath(new URL('go-requests/', import.meta.url)),
    env: {
      ...process.env,
      ...GO_ENVIRONMENT,
      GOCACHE: fileURLToPath(new URL('../../.cache/go-build', import.meta.url)),
    },
    input: questions.map((each) => `${JSON.stringify(each)}\n`).join(''),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: 'pipe',
  })
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as GoAnswer)
}
