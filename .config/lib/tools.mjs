/** The programs that tests hold our work against. */
import { aptInstall, canInstall } from './debian.mjs'
import { Stop } from './lifecycle.mjs'
import { which } from './process.mjs'

/** Program, and Debian's package of it. */
const OPENSSL = ['openssl', 'openssl']
const CFSSL = ['cfssl', 'golang-cfssl']

/**
 * Makes sure that the tests find openssl and, for the integration tests, cfssl.
 *
 * @throws {Stop} with one sentence that says what to install.
 */
export async function ensureTools({ integration, signal }) {
  const missing = (integration ? [OPENSSL, CFSSL] : [OPENSSL]).filter(([program]) => which(program) === null)
  if (missing.length === 0) return
  if (canInstall()) {
    const packages = missing.map(([, name]) => name)
    await aptInstall(packages, { signal })
    return
  }
  const programs = missing.map(([program]) => program).join(' and ')
  throw new Stop(
    `The tests need ${programs}: install it into a folder on PATH (Debian: ${missing.map((each) => each[1]).join(', ')}).`,
  )
}
