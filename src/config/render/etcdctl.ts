/** Writes endpoints and credentials for etcdctl. */
import type { CredentialFiles } from '../../credentials/write.js'
import type { Finding } from '../../report/finding.js'
import { checkOptions, textInvalid, valueInvalid } from '../../report/option-error.js'
import { configInvalid, finding, withoutPlace } from '../finding.js'
import { readPlainUrl } from '../url.js'
import { notWritable, refused } from './member-options.js'
import { quoteForEnvironment, quoteForShell } from './quote.js'

/** `flags`: one line for a shell. `env`: `NAME=value` lines. `json`: a JSON array of arguments, for those without a shell. */
export type EtcdctlForm = 'flags' | 'env' | 'json'

const FORMS: readonly EtcdctlForm[] = ['flags', 'env', 'json']

/** The flags of etcdctl (etcdctl/ctlv3/ctl.go v3.5.16). */
const OPTIONS = [
  ['endpoints', 'endpoints'],
  ['ca', 'cacert'],
  ['cert', 'cert'],
  ['key', 'key'],
] as const

/**
 * Writes the options of etcdctl for a client's files, as `writeCredentials` and `writeCluster` give them.
 *
 * Etcdctl has no option for another server name: the certificate of each member must cover the host of its endpoint.
 * Etcdctl fails if a variable and its flag are both set, so use one form.
 *
 * @example
 * ```ts
 * const files = await writeCredentials('/srv/app/tls', credentials)
 * console.log(`etcdctl ${renderEtcdctl(files, ['https://10.0.0.1:2379'], 'flags')} get key`)
 * ```
 * @param endpoints Such as `https://10.0.0.1:2379`. `http` is refused.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` with findings for endpoints and paths that etcdctl has no form for.
 */
export function renderEtcdctl(files: CredentialFiles, endpoints: readonly string[], form: EtcdctlForm): string {
  if (!FORMS.includes(form)) throw textInvalid('form', form, `one of ${FORMS.join(', ')}`)
  checkOptions('files', files, ['ca', 'cert', 'key'])
  const list: unknown = endpoints
  if (!Array.isArray(list) || list.length === 0 || !list.every((each) => typeof each === 'string')) {
    throw valueInvalid('endpoints', list, 'an array of at least one URL')
  }
  const values = { endpoints: endpoints.join(','), ca: files.ca, cert: files.cert, key: files.key }
  for (const [field, value] of Object.entries<unknown>(values)) {
    if (typeof value !== 'string') throw valueInvalid(`files.${field}`, value, 'a string')
  }
  const options = OPTIONS.map(([field, name]) => ({ name, value: values[field] }))
  const findings = [
    ...endpoints.flatMap(endpointFindings),
    ...options.flatMap(({ name, value }) => refused(`--${name}`, value, notWritable(value))),
  ]
  if (findings.length > 0) throw configInvalid('The options of etcdctl', findings)
  const words = options.map(({ name, value }) => `--${name}=${value}`)
  switch (form) {
    case 'flags':
      return words.map(quoteForShell).join(' ')
    case 'env':
      return options.map(({ name, value }) => `ETCDCTL_${name.toUpperCase()}=${quoteForEnvironment(value)}\n`).join('')
    case 'json':
      return JSON.stringify(words)
  }
}

function endpointFindings(url: string): Finding[] {
  const reading = readPlainUrl(url, 'advertise')
  const place = withoutPlace('--endpoints')
  if ('refused' in reading) return [finding('config/url-invalid', { ...place, url, reason: reading.refused })]
  if (reading.url.isTls) return []
  return [finding('config/plaintext-url', { ...place, kind: 'next to TLS options', url })]
}
