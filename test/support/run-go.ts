/** Runs a program in Go once for all questions: JSON, a line each, in and out, in order. */
import { execFileSync } from 'node:child_process'
import { goProgram } from './go-program.js'

/** @param folder Beside this file, with its slash: `go-requests/`. */
export function runGo(folder: string, questions: readonly unknown[]): unknown[] {
  const output = execFileSync(goProgram(folder), {
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
