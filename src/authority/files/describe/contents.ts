/** What the files of a folder hold. */
import { kindOfLabel } from '../../../credentials/labels.js'
import { readMaterialFile } from '../../../credentials/read-file.js'
import type { Finding } from '../../../report/finding.js'
import { Certificate } from '../../../x509/certificate.js'
import { CertificateRequest } from '../../../x509/certificate-request.js'
import { Crl, MAX_CRL_FILE_OCTETS } from '../../../x509/crl.js'
import { DerError } from '../../../x509/der.js'
import { type DerKind, derKind } from '../../../x509/der-kind.js'
import type { PrivateKey } from '../../../x509/keys.js'
import { lenientNames } from '../../../x509/lenient-names.js'
import { MAX_PEM_OCTETS, type PemBlock, scanPem } from '../../../x509/pem.js'
import { problemFinding } from '../../../x509/pem-findings.js'
import { readPrivateKey } from '../../../x509/read-key.js'
import { finding } from './finding.js'
import type { FoundFile } from './walk.js'

const CONTENT_LIMITS = { octets: 64 * 1024 * 1024, certificates: 2000, keys: 2000, others: 1000 } as const

/** Private keys of one file that are looked at, and findings about contents that are told. */
const MOST_KEYS_OF_A_FILE = 20
const MOST_FINDINGS = 200

/** A certificate and the files that hold it. */
export interface HeldCertificate {
  readonly certificate: Certificate
  readonly files: string[]
}

export interface HeldKey {
  readonly found: FoundFile
  /** Null where it is encrypted or cannot be read. */
  readonly key: PrivateKey | null
  readonly encrypted: boolean
}

/** Everything that was read. */
export class Contents {
  readonly certificates = new Map<string, HeldCertificate>()
  /** The first certificate of each file: the one that a key beside it belongs to. */
  readonly firsts = new Map<string, Certificate>()
  readonly keys: HeldKey[] = []
  readonly requests: { readonly file: string; readonly request: CertificateRequest }[] = []
  readonly crls: { readonly file: string; readonly crl: Crl }[] = []
  /** SubjectPublicKeyInfos in DER. */
  readonly publicKeys: Uint8Array[] = []
  readonly others: { readonly file: string; readonly is: string }[] = []
  readonly findings: Finding[] = []
  #octets: number = CONTENT_LIMITS.octets
  #left: number = CONTENT_LIMITS.keys
  readonly #full = new Set<string>()

  async read(found: FoundFile): Promise<void> {
    const { file, path, size } = found
    const limit = file.endsWith('.crl') ? MAX_CRL_FILE_OCTETS : MAX_PEM_OCTETS
    if (size > limit) {
      this.#tell(finding('directory/not-looked-at', { file, is: `a file of ${size.toLocaleString('en-US')} octets` }))
      return
    }
    if (size === 0) {
      this.#other(file, 'an empty file')
      return
    }
    this.#octets -= size
    if (this.#octets < 0) {
      this.#stop('octets', CONTENT_LIMITS.octets)
      return
    }
    const content = await readMaterialFile(path, { file }, limit)
    if ('code' in content) {
      const reason = 'reason' in content.details ? content.details.reason : content.code.slice('file/'.length)
      this.#tell(finding('directory/unreadable', { file, reason: String(reason) }))
      return
    }
    this.#take(found, content.bytes)
  }

  #take(found: FoundFile, bytes: Buffer): void {
    const { file } = found
    const kind = derKind(bytes)
    const label = kind === null ? undefined : DER_LABELS[kind]
    if (label !== undefined) {
      this.#block(found, { label, line: 1, headers: [], bytes }, 'der')
      return
    }
    if (kind !== null) {
      this.#other(file, `a ${kind} in DER`)
      return
    }
    if (!bytes.includes('-----BEGIN ')) {
      this.#other(file, wordsFor(file, bytes))
      return
    }
    if (/^\s*[{[]/.test(bytes.subarray(0, 100).toString('latin1'))) {
      this.#other(file, 'JSON with PEM in it')
      if (bytes.includes('PRIVATE KEY-----')) this.#tell(finding('directory/key-in-json', { file }))
      return
    }
    const { blocks, problems } = scanPem(bytes, { octets: MAX_CRL_FILE_OCTETS })
    let keys = 0
    for (const block of blocks) {
      // To look at a key costs some milliseconds, and no file has so many.
      if (kindOfLabel(block.label) === 'private-key' && (keys += 1) > MOST_KEYS_OF_A_FILE) {
        this.#stop('keys', CONTENT_LIMITS.keys)
        break
      }
      this.#block(found, block, 'pem')
    }
    for (const problem of problems.slice(0, 3)) {
      if (problem.kind === 'too-large' || problem.kind === 'one-line') this.#other(file, 'PEM that cannot be read')
      else this.#tell(problemFinding(problem, { origin: file, file }))
    }
  }

  #block(found: FoundFile, block: PemBlock, form: 'pem' | 'der'): void {
    const { file } = found
    const kind = kindOfLabel(block.label)
    if (kind !== 'certificate' && (this.#left -= 1) < 0) {
      this.#stop('keys', CONTENT_LIMITS.keys)
      return
    }
    const origin = block.line === 1 ? file : `${file}, line ${String(block.line)}`
    try {
      switch (kind) {
        case 'certificate':
          this.#certificate(file, Certificate.parse(block.bytes, file))
          break
        case 'private-key':
          this.#key(found, block)
          break
        case 'openssh':
        case 'foreign-key':
          this.keys.push({ found, key: null, encrypted: false })
          break
        case 'request':
          this.requests.push({ file, request: CertificateRequest.parse(block.bytes, file) })
          break
        case 'crl':
          this.crls.push({ file, crl: Crl.parse(block.bytes, file, form) })
          break
        case 'public-key':
          this.publicKeys.push(block.bytes)
          this.#other(file, 'a public key')
          break
        case 'key-parameters':
          break
        case 'old-certificate':
        case 'pkcs7':
        case 'pgp':
        case 'other':
          this.#other(file, `PEM of the kind "${block.label}"`)
          break
      }
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      this.#tell(malformed(kind, file, origin, error, block.bytes))
    }
  }

  #certificate(file: string, certificate: Certificate): void {
    if (!this.firsts.has(file)) this.firsts.set(file, certificate)
    const held = this.certificates.get(certificate.fingerprint256)
    if (held !== undefined) {
      if (!held.files.includes(file)) held.files.push(file)
    } else if (this.certificates.size >= CONTENT_LIMITS.certificates) {
      this.#stop('certificates', CONTENT_LIMITS.certificates)
    } else {
      this.certificates.set(certificate.fingerprint256, { certificate, files: [file] })
    }
  }

  #key(found: FoundFile, block: PemBlock): void {
    const reading = readPrivateKey(block, null, found.file)
    const encrypted = 'encryption' in reading && reading.encryption !== null
    this.keys.push({ found, key: reading.kind === 'key' ? reading.key : null, encrypted })
    const place = { origin: found.file, file: found.file }
    if (reading.kind === 'malformed') {
      this.#tell(finding('key/malformed', { ...place, line: block.line, reason: reading.reason }))
    } else if (reading.kind === 'inconsistent') {
      this.#tell(finding('key/inconsistent', { ...place, algorithm: reading.algorithm }))
    }
  }

  #other(file: string, is: string): void {
    if (this.others.length < CONTENT_LIMITS.others) this.others.push({ file, is })
  }

  #stop(what: 'octets' | 'certificates' | 'keys', limit: number): void {
    if (!this.#full.has(what)) this.findings.push(finding('directory/limit-reached', { what, limit }))
    this.#full.add(what)
  }

  #tell(each: Finding): void {
    if (this.findings.length < MOST_FINDINGS) this.findings.push(each)
  }
}

/** What is read of DER as it is read of PEM. */
const DER_LABELS: Partial<Readonly<Record<DerKind, string>>> = {
  certificate: 'CERTIFICATE',
  'certificate request': 'CERTIFICATE REQUEST',
  CRL: 'X509 CRL',
  'private key': 'PRIVATE KEY',
  'encrypted private key': 'ENCRYPTED PRIVATE KEY',
  'public key': 'PUBLIC KEY',
}

function malformed(kind: string, file: string, origin: string, { reason, offset }: DerError, der: Uint8Array): Finding {
  if (kind === 'request') return finding('request/malformed', { origin, file, reason, offset })
  if (kind === 'crl') return finding('revocation/crl-malformed', { origin, reason })
  return finding('certificate/malformed', { origin, reason, offset, ...lenientNames(der) })
}

function wordsFor(file: string, bytes: Buffer): string {
  if (/\.srl(?:\.old)?$|(?:^|[\\/])(?:serial|crlnumber)(?:\.old)?$/.test(file)) return 'a serial number of openssl'
  if (/(?:^|[\\/])index\.txt/.test(file)) return 'an index of openssl'
  if (/\.(?:json|ya?ml|cnf|conf|sh|txt|md|lock)$/.test(file)) return 'a text'
  return bytes.subarray(0, 512).includes(0) ? 'binary data' : 'a text'
}
