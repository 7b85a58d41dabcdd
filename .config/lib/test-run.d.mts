export interface RunPlan {
  unit: boolean
  long: boolean
  watch: boolean
  conformance: boolean
  whole: boolean
  filters: string[]
}
export function planRun(args: readonly string[], root: string): RunPlan
