/** Programs that tests call as witnesses of their own, beside Node. */
import { aptInstall, canInstall } from './debian.mjs'
import { Stop } from './lifecycle.mjs'
import { must, which } from './process.mjs'

/** Program, and Debian's package for it. */
const TOOLS = [
  ['openssl', 'openssl'],
  ['cfssl', 'golang-cfssl'],
]

/** The oldest Go whose words are those that the catalogue lists: test/support/go is built with it. */
const OLDEST_GO = [1, 24]

/** Installs the tools that are missing where we may; else says which to install. No test is skipped for want of one. */
export async function ensureTools({ signal } = {}) {
  await ensure(TOOLS, { signal })
}

/** The Go toolchain, which is large: only the differential tests compile a program with it. */
export async function ensureGo({ signal } = {}) {
  await ensure([['go', 'golang-go']], { signal })
  const { stdout } = await must('go', ['version'], { signal, env: { ...process.env, GOTOOLCHAIN: 'local' } })
  const version = /go(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number) ?? [0, 0]
  const [major, minor] = version
  if (major < OLDEST_GO[0] || (major === OLDEST_GO[0] && minor < OLDEST_GO[1])) {
    throw new Stop(
      `The differential tests need Go ${OLDEST_GO.join('.')} or newer, and "${which('go')}" is ${version.join('.')}.`,
    )
  }
}

/** GnuTLS, one more hand that makes and reads requests and keys: only the differential tests ask it. */
export async function ensureGnuTls({ signal } = {}) {
  await ensure([['certtool', 'gnutls-bin']], { signal })
}

/** A token of PKCS #11 in software, and the tool that signs with it: only the test of signers elsewhere asks it. */
export async function ensureSoftHsm({ signal } = {}) {
  await ensure(
    [
      ['softhsm2-util', 'softhsm2'],
      ['pkcs11-tool', 'opensc'],
    ],
    { signal },
  )
}

/** A proxy in front of etcd: only the test of watches through a proxy starts it. */
export async function ensureNginx({ signal } = {}) {
  await ensure([['nginx', 'nginx-light']], { signal })
}

/** Proxies in front of etcd, right and wrong: only the table of diagnoses starts both. */
export async function ensureHaproxy({ signal } = {}) {
  await ensure([['haproxy', 'haproxy']], { signal })
}

/** Programs with a clock of their own: only the table of diagnoses starts some. */
export async function ensureFaketime({ signal } = {}) {
  await ensure([['faketime', 'faketime']], { signal })
}

/** Namespaces of the network and rules for their packets: only the tests of faults in the network make them. */
export async function ensureNetworkTools({ signal } = {}) {
  await ensure(
    [
      ['ip', 'iproute2'],
      ['nft', 'nftables'],
    ],
    { signal },
  )
}

/** Where Debian has programs that are not for everybody. */
const SYSTEM = ['/usr/sbin', '/sbin']

async function ensure(tools, { signal }) {
  const missing = tools.filter(([program]) => which(program, { extra: SYSTEM }) === null)
  if (missing.length === 0) return
  const packages = missing.map(([, name]) => name)
  if (!canInstall()) {
    throw new Stop(
      `The tests call ${missing.map(([program]) => program).join(' and ')}; install ${packages.join(' and ')}.`,
    )
  }
  await aptInstall(packages, { signal })
}
