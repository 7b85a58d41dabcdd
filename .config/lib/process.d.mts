export interface RunOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  signal?: AbortSignal
  timeout?: number
  grace?: number
  output?: 'show' | 'keep' | 'both'
}
export interface RunResult {
  code: number | null
  signal: NodeJS.Signals | null
  timedOut: boolean
  stdout: string
  stderr: string
}
export function run(command: string, args: string[], options?: RunOptions): Promise<RunResult>
export function must(command: string, args: string[], options?: RunOptions): Promise<RunResult>
export function which(program: string, options?: { path?: string; extra?: string[] }): string | null
