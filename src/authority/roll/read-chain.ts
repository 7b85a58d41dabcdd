/** Reads a file of certificates for a roll. */
import { openInput } from '../../credentials/input.js'
import { readCertificates } from '../../credentials/read-certificates.js'
import { readMaterialFile } from '../../credentials/read-file.js'
import type { Certificate } from '../../x509/certificate.js'
import { MAX_PEM_OCTETS } from '../../x509/pem.js'

/** What was read of a file: certificates, or why there are none. */
export type ChainFile =
  | { readonly chain: readonly Certificate[]; readonly reason: null }
  /** `missing` where no such file is there. */
  | { readonly chain: null; readonly reason: string }

/** @param name How the file is called where its certificates are told of. */
export async function readChainFile(path: string, name: string): Promise<ChainFile> {
  const content = await readMaterialFile(path, { file: name }, MAX_PEM_OCTETS)
  if ('code' in content) return { chain: null, reason: content.code === 'file/missing' ? 'missing' : content.message }
  const place = { origin: name, file: name }
  const { certificates, findings } = readCertificates(
    openInput({ role: 'ca', place, bytes: content.bytes, mode: null, findings: [] }),
  )
  const chain = certificates.map(({ certificate }) => certificate)
  if (chain.length > 0) return { chain, reason: null }
  return { chain: null, reason: findings[0]?.message ?? 'it holds no certificate' }
}
