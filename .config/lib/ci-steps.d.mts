import type { Counts } from './verdict.mjs'

export function runSteps(options: {
  hasVectors: boolean
  runsLong?: boolean
  perform: (args: string[], timeout?: number) => Promise<{ code: number | null; stdout: string; timedOut: boolean }>
  say: (line: string) => void
  now?: () => number
}): Promise<Counts>
