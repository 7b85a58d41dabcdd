/** Programs that tests use as oracles, in addition to Node. */
import { existsSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { aptInstall, canInstall } from './debian.mjs'
import { Stop } from './lifecycle.mjs'
import { must, which } from './process.mjs'

/** Debian's package for each program, and for a module of Python by its file. */
const PACKAGES = {
  openssl: 'openssl',
  cfssl: 'golang-cfssl',
  go: 'golang-go',
  certtool: 'gnutls-bin',
  'softhsm2-util': 'softhsm2',
  'pkcs11-tool': 'opensc',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  faketime: 'faketime',
  ip: 'iproute2',
  nft: 'nftables',
  '/usr/lib/python3/dist-packages/hpack/hpack.py': 'python3-hpack',
  nghttpd: 'nghttp2-server',
  curl: 'curl',
  promtool: 'promtool',
  prometheus: 'prometheus',
  python3: 'python3',
  java: 'default-jre-headless',
  javac: 'default-jdk-headless',
}

/** Folders of programs that are not for everybody. */
const SYSTEM = ['/usr/sbin', '/sbin']

/** The oldest Go whose words are those that the catalogue lists: test/support/go is built with it. */
const OLDEST_GO = [1, 24]

/** Installs those of the programs that are missing if it may; else reports which to install. No test is skipped for want of one. */
export async function ensureTools(programs, { signal } = {}) {
  const missing = programs.filter((program) =>
    isAbsolute(program) ? !existsSync(program) : which(program, { extra: SYSTEM }) === null,
  )
  const packages = missing.map((program) => PACKAGES[program])
  if (missing.length > 0 && !canInstall()) {
    throw new Stop(`The tests call ${missing.join(' and ')}; install ${packages.join(' and ')}.`)
  }
  if (missing.length > 0) await aptInstall(packages, { signal })
  if (programs.includes('go')) await checkGo({ signal })
}

async function checkGo({ signal }) {
  const { stdout } = await must('go', ['version'], { signal, env: { ...process.env, GOTOOLCHAIN: 'local' } })
  const [major, minor] = /go(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number) ?? [0, 0]
  if (major > OLDEST_GO[0] || (major === OLDEST_GO[0] && minor >= OLDEST_GO[1])) return
  throw new Stop(
    `The differential tests need Go ${OLDEST_GO.join('.')} or newer, and "${which('go')}" is ${major}.${minor}.`,
  )
}
