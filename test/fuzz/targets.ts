/** What is fuzzed: for each reader, how an input is made of a seed, and what must hold of it. */
import {
  checkCertificate,
  checkChain,
  checkCredentials,
  checkCrl,
  checkDer,
  checkHost,
  checkKey,
  checkNames,
  checkPem,
  checkRequest,
  checkTime,
  type Role,
} from './checks.js'
import { converse } from './conversation.js'
import { checkSession, serverBytes } from './frame-bytes.js'
import { mutateBytes, mutateDer, mutatePem } from './mutate.js'
import { Random } from './random.js'
import { CERTIFICATES, CHAIN, CREDENTIALS, CRLS, KEYS, NAMES, POOL, REQUESTS, TEXTS } from './seeds.js'

/** One input, and the check that it must pass. */
export interface FuzzCase {
  readonly input: Uint8Array | string
  readonly check: () => void
}

function checked<T extends Uint8Array | string>(input: T, check: (input: T) => void): FuzzCase {
  return {
    input,
    check: () => {
      check(input)
    },
  }
}

const der = (random: Random, seeds: readonly Uint8Array[]): Buffer =>
  mutateDer(random, random.pick(seeds) ?? Buffer.alloc(0), POOL)

const onDer =
  (seeds: readonly Uint8Array[], check: (bytes: Uint8Array) => void) =>
  (random: Random): FuzzCase =>
    checked(der(random, seeds), check)

function changedPem(random: Random, text: string): Buffer {
  const changed = Buffer.from(mutatePem(random, text))
  return random.once(10) ? mutateBytes(random, changed) : changed
}

/** PEM whose text is sound and whose bytes are not. */
function pemOf(label: string, bytes: Buffer): string {
  return `-----BEGIN ${label}-----\n${bytes.toString('base64')}\n-----END ${label}-----\n`
}

const TIMES = '250101000000Z 20500101000000Z 500101000000Z 20240229235959Z 20250101000000.5Z 2501010000Z'.split(' ')
const HOSTS = (
  '10.0.0.1 ::1 fd00::10.0.0.1 ::ffff:1.2.3.4 etcd-0.etcd.svc *.etcd.svc bücher.example spiffe://a/b https://a ' +
  '1.2.3 0x7f fe80::1%eth0 [::1]:2379 a_b xn--bcher-kva.example'
).split(' ')

export const TARGETS: Readonly<Record<string, (random: Random) => FuzzCase>> = {
  pem: (random) => checked(changedPem(random, random.pick(TEXTS) ?? ''), checkPem),
  der: onDer(POOL, checkDer),
  certificate: onDer(CERTIFICATES, checkCertificate),
  crl: onDer(CRLS, checkCrl),
  request: onDer(REQUESTS, checkRequest),
  name: onDer(NAMES, checkNames),
  time(random) {
    const tag = random.pick([0x17, 0x18] as const)
    const text = mutateBytes(random, Buffer.from(random.pick(TIMES) ?? ''))
    return checked(Buffer.concat([Buffer.from([tag, text.length & 0x7f]), text]), checkTime)
  },
  host(random) {
    const bytes = mutateBytes(random, Buffer.from(random.pick(HOSTS) ?? ''))
    return checked(bytes.toString(random.once(2) ? 'utf8' : 'latin1'), checkHost)
  },
  key(random) {
    const text = random.pick(KEYS) ?? ''
    const label = /BEGIN ([^-]+)/.exec(text)?.[1] ?? ''
    const body = Buffer.from(text.replaceAll(/-----[^-]+-----/g, ''), 'base64')
    const input = random.once(3) ? changedPem(random, text) : Buffer.from(pemOf(label, mutateDer(random, body, POOL)))
    return checked(input, checkKey)
  },
  chain(random) {
    const role = random.pick<Role>(['leaf', 'leaf', 'intermediates', 'trustAnchors', 'crls'])
    const part = { leaf: CHAIN.leaf, intermediates: CHAIN.between, trustAnchors: CHAIN.root, crls: null }[role]
    const bytes = part === null ? der(random, CRLS) : mutateDer(random, part.der, POOL)
    const label = part === null ? 'X509 CRL' : 'CERTIFICATE'
    const check = (input: Uint8Array | string): void => {
      checkChain(role, input)
    }
    if (random.once(5)) return checked(mutatePem(random, part?.pem ?? CREDENTIALS.crl), check)
    return checked(random.once(5) ? pemOf(label, bytes) : bytes, check)
  },
  credentials(random) {
    const role = random.pick(['ca', 'cert', 'key', 'crl'] as const)
    const input = random.once(8) ? Buffer.from(random.pick(TEXTS) ?? '') : changedPem(random, CREDENTIALS[role])
    return checked(input, (changed) => {
      checkCredentials(role, changed)
    })
  },
  frames(random) {
    const input = serverBytes(random)
    const seed = random.next()
    // Again from the same seed, because a slow input is tried several times.
    return checked(input, (bytes) => {
      checkSession(new Random(seed), bytes)
    })
  },
  conversation(random) {
    const seed = random.next()
    return checked(`the conversation ${String(seed)}`, () => {
      converse(new Random(seed))
    })
  },
}
