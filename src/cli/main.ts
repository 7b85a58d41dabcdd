#!/usr/bin/env node
/** The program `etcd-mtls`. */
import { COMMANDS } from './commands.js'
import { readPackageFile } from './package-file.js'
import { EXIT, failureLines, runProgram } from './program.js'

/** Milliseconds that a command has after Ctrl-C to remove what it was writing. */
const CLEANUP = 500

await main()

async function main(): Promise<void> {
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    interrupted.abort()
    process.once('SIGINT', () => process.exit(EXIT.interrupted))
    setTimeout(() => process.exit(EXIT.interrupted), CLEANUP).unref()
  })
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // If a reader such as head has closed the pipe, the exit code is still that of the answer.
      if (error.code === 'EPIPE') return
      if (stream === process.stdout)
        process.stderr.write(`etcd-mtls: the answer cannot be written (${error.code ?? error.message}).\n`)
      process.exit(EXIT.unable)
    })
  }
  process.once('uncaughtException', (error) => {
    void failureLines(error, '').then((lines) => {
      process.stderr.write(`${lines.join('\n')}\n`)
      process.exit(EXIT.unable)
    })
  })
  const { version } = readPackageFile('package.json') as { version: string }
  const { stdin, stdout, stderr, env } = process
  const args = process.argv.slice(2)
  const code = await runProgram({
    rows: COMMANDS,
    args,
    version,
    stdin,
    stdout,
    stderr,
    env,
    signal: interrupted.signal,
  })
  process.exitCode = interrupted.signal.aborted ? EXIT.interrupted : code
  // Not process.exit: a pipe may still have bytes of the answer. Commands close what they open.
}
