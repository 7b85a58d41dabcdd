/** Runs before each test file: whatever a test prints becomes its failure, and the end of a run shows its processor time. */
import { existsSync, readFileSync } from 'node:fs'
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

/** Processor seconds of this process and of the children that have ended, which only Linux reports. */
function processorSeconds(): number {
  const file = '/proc/self/stat'
  if (!existsSync(file)) return process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6
  const stat = readFileSync(file, 'utf8')
  const ticks = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 16) // proc(5): utime, stime, cutime, cstime
  return ticks.reduce((sum, each) => sum + Number(each), 0) / 100
}

const before = processorSeconds()

// vitest reads the names of the fixtures from the pattern.
afterAll(({}, { file }) => {
  Object.assign(file.meta, { processorSeconds: processorSeconds() - before })
})
