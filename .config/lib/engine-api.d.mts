export interface Target {
  socketPath?: string
  host?: string
  port?: number
  secure?: boolean
}
export function target(host: string, env?: NodeJS.ProcessEnv): Target
export class EngineApi {
  constructor(host: string, env?: NodeJS.ProcessEnv)
  answers(timeout?: number): Promise<boolean>
  hasImage(name: string): Promise<boolean>
  pullImage(image: string, tag: string, options: { signal?: AbortSignal; silence: number }): Promise<void>
  removeLabelled(label: string, options?: { settle?: boolean }): Promise<void>
}
