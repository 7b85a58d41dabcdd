export interface Vectors {
  folder: string
  limbo: string | null
  bettertls: string | null
}
export function findVectors(root: string, env?: NodeJS.ProcessEnv): Vectors
export function howToGetVectors(folder: string): string
