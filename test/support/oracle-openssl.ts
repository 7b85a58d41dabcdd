/** OpenSSL as an oracle: the command `openssl verify`, at the security level that its TLS has by default. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from './child.js'
import type { Question, OracleResult } from './oracles.js'

interface Pem {
  readonly pem: string
}

/** A question about certificates of any origin. */
type OpensslQuestion = Pick<Question, 'usage' | 'host'> & {
  readonly leaf: Pem
  readonly sent: readonly Pem[]
  readonly trust: readonly Pem[]
  readonly crls: readonly Pem[]
}

/** 112 bits: RSA of 2048 bits, no SHA-1. Debian's default, and OpenSSL's own since 3.2. */
const SECURITY_LEVEL = '2'

export class OpensslOracle {
  readonly #folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-openssl-'))
  #asked = 0

  /** @param at When OpenSSL validates, in whole seconds. Default: now. */
  async ask(question: OpensslQuestion, at?: Date): Promise<Record<'OpenSSL' | 'strict', NonNullable<OracleResult>>> {
    const time = at === undefined ? [] : ['-attime', String(Math.floor(at.getTime() / 1000))]
    const args = [...time, ...this.#arguments(question)]
    const plain = await verify(args)
    // The flag only adds checks, so what is refused without it is refused with it.
    return { OpenSSL: plain, strict: plain.accepts ? await verify(['-x509_strict', ...args]) : plain }
  }

  #arguments({ usage, host, leaf, sent, trust, crls }: OpensslQuestion): string[] {
    const number = String(this.#asked++)
    const file = (name: string, parts: readonly Pem[]): string => {
      const path = join(this.#folder, `${number}-${name}.pem`)
      writeFileSync(path, parts.map(({ pem }) => pem).join(''))
      return path
    }
    const named = isIP(host) === 0 ? ['-verify_hostname', host] : ['-verify_ip', host]
    return [
      ...['-purpose', usage === 'server' ? 'sslserver' : 'sslclient', '-auth_level', SECURITY_LEVEL],
      ...['-no-CApath', '-no-CAstore', '-CAfile', file('trust', trust)],
      ...(sent.length === 0 ? [] : ['-untrusted', file('sent', sent)]),
      ...(crls.length === 0 ? [] : ['-crl_check_all', '-CRLfile', file('crls', crls)]),
      ...(usage === 'server' ? named : []),
      file('leaf', [leaf]),
    ]
  }

  close(): void {
    rmSync(this.#folder, { recursive: true })
  }
}

async function verify(args: readonly string[]): Promise<{ accepts: boolean; words: string }> {
  const { ended, written } = startChild(['openssl', 'verify', ...args])
  const { code } = await ended
  return code === 0 ? { accepts: true, words: '' } : { accepts: false, words: written.err.trim() }
}
