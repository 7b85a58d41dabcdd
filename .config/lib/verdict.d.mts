export interface Counts {
  passed: number
  failed: number
  skipped: number
}
export function verdict(
  run: { counts: Counts | null; code: number | null; whole: boolean },
  say: (line: string) => void,
): Counts
export function closingLine(counts: Counts | null, code: number): string
export function summary(run: {
  counts: Counts
  files: readonly { path: string; seconds: number; processorSeconds: number }[]
  seconds: number
}): string[]
export function readClosingLine(output: string): Counts | null
