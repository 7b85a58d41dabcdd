/** Runs a program in Go once for all questions: JSON, a line each, in and out, in order. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Offline: the standard library only, by the Go that is installed. */
export const GO_ENVIRONMENT = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GO111MODULE: 'on', GOFLAGS: '', GOWORK: 'off' }

/** @param folder Beside this file, with its slash: `go-requests/`. */
export function runGo(folder: string, questions: readonly unknown[]): unknown[] {
  const output = execFileSync('go', ['run', '.'], {
    cwd: fileURLToPath(new URL(folder, import.meta.url)),
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
    .map((line) => JSON.parse(line) as unknown)
}
