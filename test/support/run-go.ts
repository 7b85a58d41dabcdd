/** Runs a program in Go once for all questions: JSON, a line each, in and out, in order. */
import { execFileSync } from 'node:child_process'
import { goProgram, type GoProgram } from './go-program.js'

export function runGo(program: GoProgram, questions: readonly unknown[]): unknown[] {
  const output = execFileSync(goProgram(program), {
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
