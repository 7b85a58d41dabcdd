/** The metrics of `expiry`, for the textfile collector of node_exporter. */
import { basename, dirname, resolve } from 'node:path'
import { checkFileName } from '../credentials/internal.js'
import { guardedFileSystem, replaceFiles, withDirectoryLock, writeFailed } from '../files/internal.js'
import { printable } from '../report/internal.js'
import type { Call } from './command.js'
import type { ExpiringCertificate } from './documents.js'

const METRIC = 'etcd_mtls_certificate_expiry_timestamp_seconds'

/** The text format of Prometheus. Its readers refuse two samples with the same labels, so each is there once. */
function metricsOf(certificates: readonly ExpiringCertificate[]): string {
  const samples = certificates.map(({ name, subject, issuer, serialNumber, notAfter }) => {
    const labels = Object.entries({ certificate: name, subject, issuer, serial: serialNumber })
    // What is printable has no line break, the third character to escape.
    const texts = labels.map(([label, text]) => `${label}="${printable(text).replace(/["\\]/g, '\\$&')}"`)
    return `${METRIC}{${texts.join(',')}} ${String(notAfter.getTime() / 1000)}\n`
  })
  const help = `# HELP ${METRIC} End of the validity of a certificate, in seconds since 1970.\n# TYPE ${METRIC} gauge\n`
  return help + [...new Set(samples)].join('')
}

/** Replaces the file in one step. As root, only where no other user can rename. */
export async function writeMetrics(
  file: string,
  certificates: readonly ExpiringCertificate[],
  { options, signal }: Call,
): Promise<void> {
  const content = metricsOf(certificates)
  const [folder, name] = [dirname(resolve(file)), checkFileName(basename(file), '--prometheus')]
  const fs = await guardedFileSystem(folder, { trustedOwner: options.account('trustedOwner') }, () => null)
  await withDirectoryLock(fs, folder, signal, async (root, _signal, held) => {
    if (root === null) throw writeFailed(folder, 'it does not exist: create it')
    await replaceFiles(held, root, [{ name, content, mode: 0o644, isModeExact: true }])
  })
}
