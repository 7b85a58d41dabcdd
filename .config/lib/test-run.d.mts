export interface RunPlan {
  long: boolean
  watch: boolean
  conformance: boolean
  whole: boolean
  filters: string[]
}
export function planRun(args: readonly string[], root: string): RunPlan
