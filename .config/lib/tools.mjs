/** Programs that tests call as witnesses of their own, beside Node. */
import { aptInstall, canInstall } from './debian.mjs'
import { Stop } from './lifecycle.mjs'
import { which } from './process.mjs'

/** Program, and Debian's package for it. */
const TOOLS = [
  ['openssl', 'openssl'],
  ['cfssl', 'golang-cfssl'],
]

/** Installs the tools that are missing where we may; else says which to install. No test is skipped for want of one. */
export async function ensureTools({ signal } = {}) {
  const missing = TOOLS.filter(([program]) => which(program) === null)
  if (missing.length === 0) return
  const packages = missing.map(([, name]) => name)
  if (!canInstall()) {
    throw new Stop(
      `The tests call ${missing.map(([program]) => program).join(' and ')}; install ${packages.join(' and ')}.`,
    )
  }
  await aptInstall(packages, { signal })
}
