/** The option `discovery`, checked: which SRV records to ask for. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import type { Host } from '../x509/names.js'
import { readServerName } from './endpoints.js'

/** Where to look the endpoints up. */
export interface DiscoveryOptions {
  /** As `example.com`. SRV records of `_etcd-client-ssl._tcp.example.com` are taken, and every server has to cover `example.com`. */
  domain: string
  /** As etcdctl's `--discovery-srv-name`: `_etcd-client-ssl-NAME._tcp` is asked for. Default: none. */
  name?: string | undefined
}

export interface ResolvedDiscovery {
  readonly domain: Host
  readonly record: string
  readonly insecureRecord: string
}

const NAMES = { domain: 'discovery.domain', name: 'discovery.name' }

/**
 * @param names What errors call the two values.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readDiscovery(discovery: unknown, names = NAMES): ResolvedDiscovery {
  checkOptions('discovery', discovery, ['domain', 'name'])
  const name: unknown = Reflect.get(Object(discovery), 'name')
  const domain = readServerName(Reflect.get(Object(discovery), 'domain'), names.domain)
  if (domain.kind !== 'dns') throw optionInvalid(names.domain, 'must be a DNS name')
  if (name !== undefined && (typeof name !== 'string' || !/^[a-z0-9-]{1,40}$/i.test(name))) {
    throw optionInvalid(names.name, 'must be letters, digits and hyphens')
  }
  const suffix = `${name === undefined ? '' : `-${name}`}._tcp.${domain.value}`
  return { domain, record: `_etcd-client-ssl${suffix}`, insecureRecord: `_etcd-client${suffix}` }
}
