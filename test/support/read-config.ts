/** One configuration as it is read: what is in force, and what is said of how it is written. */
import { placed } from '../../src/report/catalogue/place.js'
import type { Finding } from '../../src/report/finding.js'
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
  return readMembers(config, { readFiles, root, directory: null, given })
}

/** The first member, as {@link readAll}. */
export async function readMember(config: ConfigInput, options?: Reading): Promise<ReadMember> {
  const [first] = await readAll(config, options)
  return first
}

/** The message, with the place behind the option that it names. */
export function saidAt({ message, place }: Pick<Finding, 'message' | 'place'>): string {
  if (place === undefined || place.option === null) return message
  const { option } = place
  return message.replace(option, () => placed({ ...place, option }))
}

export async function readBack(config: ConfigInput) {
  const { settings, findings } = await readMember(config)
  return {
    options: Object.fromEntries(settings.all().map(({ place, text }) => [place.option, text])),
    findings: findings.map((each) => ({ code: each.code, message: saidAt(each), remedy: each.remedy })),
  }
}
