/** Runs before each test file: whatever a test prints becomes its failure. */
import { afterAll, afterEach } from 'vitest'

const METHODS = ['debug', 'dir', 'error', 'info', 'log', 'table', 'trace', 'warn'] as const

const printed: string[] = []

for (const method of METHODS) {
  console[method] = (...values: unknown[]): void => {
    printed.push(`console.${method}: ${values.map(String).join(' ')}`)
  }
}
for (const [name, stream] of [
  ['stdout', process.stdout],
  ['stderr', process.stderr],
] as const) {
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    printed.push(`process.${name}: ${typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()}`)
    const callback = rest.find((each) => typeof each === 'function')
    if (callback !== undefined) process.nextTick(callback)
    return true
  }
}

function refusePrinting(): void {
  const lines = printed.splice(0)
  if (lines.length > 0) throw new Error(`The test printed to the console:\n${lines.join('\n')}`)
}

afterEach(refusePrinting)
afterAll(refusePrinting)
