/** One configuration as it is read: what is in force, and what is said of how it is written. */
import { type ConfigInput, type ReadMember, readMembers } from '../../src/config/read/input.js'

interface Reading {
  readFiles?: boolean
  root?: string | null
  given?: Readonly<Record<string, string>>
}

/** The members; by default without reading files. */
export async function readAll(
  config: ConfigInput,
  { readFiles = false, root = null, given = {} }: Reading = {},
): Promise<[ReadMember, ...ReadMember[]]> {
  return readMembers(config, { readFiles, root, given })
}

/** The first member, as {@link readAll}. */
export async function readMember(config: ConfigInput, options?: Reading): Promise<ReadMember> {
  const [first] = await readAll(config, options)
  return first
}

export async function readBack(config: ConfigInput) {
  const { settings, findings } = await readMember(config)
  return {
    options: Object.fromEntries(settings.all().map(({ place, text }) => [place.option, text])),
    findings: findings.map(({ code, message, remedy }) => ({ code, message, remedy })),
  }
}
