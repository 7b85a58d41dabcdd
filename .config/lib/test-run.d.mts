export interface RunPlan {
  long: boolean
  watch: boolean
  whole: boolean
  filters: string[]
}
export function planRun(args: readonly string[], root: string): RunPlan
