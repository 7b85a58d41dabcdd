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
