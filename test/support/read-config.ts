/** One configuration as it is read: what is in force, and what is said of how it is written. */
import { type ConfigInput, readMember } from '../../src/config/read/input.js'

export async function readBack(config: ConfigInput) {
  const { settings, findings } = await readMember(config, { readFiles: false, root: null })
  return {
    options: Object.fromEntries(settings.all().map(({ place, text }) => [place.option, text])),
    findings: findings.map(({ code, message, remedy }) => ({ code, message, remedy })),
  }
}
