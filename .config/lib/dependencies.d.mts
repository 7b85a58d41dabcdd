export function staleReason(root: string): string | null
