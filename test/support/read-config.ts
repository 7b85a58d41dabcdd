/** One configuration as it is read: what is in force, and what is said of how it is written. */
import { type ConfigInput, readMember } from '../../src/config/read/input.js'

export interface ReadBack {
  /** Texts by the names under which they stand there. */
  readonly options: Readonly<Record<string, string>>
  readonly findings: readonly { readonly code: string; readonly message: string; readonly remedy: string | null }[]
}

export async function readBack(config: ConfigInput): Promise<ReadBack> {
  const { settings, findings } = await readMember(config, { readFiles: false, root: null })
  return {
    options: Object.fromEntries(settings.all().map(({ place, text }) => [place.option, text])),
    findings: findings.map(({ code, message, remedy }) => ({ code, message, remedy })),
  }
}
