export const IMAGE: string
export function parseLdd(output: string): string[]
