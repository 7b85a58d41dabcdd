export function temporaryHome(options?: { long?: boolean; env?: NodeJS.ProcessEnv; memory?: string }): string
