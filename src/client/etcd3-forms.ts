/** Options in the form of plain etcd3, refused with the form to use here. */
import { optionInvalid } from '../report/option-error.js'

/** Options of etcd3's constructor that have another name here. `retry` and `backoffStrategy` are from etcd3 0.x. */
const NAMES: Readonly<Record<string, string>> = {
  hosts: 'use "endpoints", with https URLs such as "https://10.0.0.1:2379"',
  retry: 'leave it out, or set a policy in "etcd3: { faultHandling }"',
  backoffStrategy: 'use "etcd3: { faultHandling: { watchBackoff } }"',
  faultHandling: 'use "etcd3: { faultHandling }"',
  grpcOptions: 'use "etcd3: { grpcOptions }"',
  defaultCallOptions: 'use "etcd3: { defaultCallOptions }"',
}

const TARGET_NAME = 'grpc.ssl_target_name_override'
const CREDENTIALS = ['rootCertificate', 'privateKey', 'certChain']

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option by etcd3's name, or in etcd3's form. */
export function refuseEtcd3Forms(options: unknown): void {
  for (const [name, remedy] of Object.entries(NAMES)) {
    if (has(options, name)) throw optionInvalid(name, `is etcd3's name: ${remedy}`)
  }
  if (CREDENTIALS.some((name) => has(memberOf(options, 'credentials'), name))) {
    const form = 'fromPem({ ca: rootCertificate, cert: certChain, key: privateKey }), or fromFiles({ ca, cert, key })'
    throw optionInvalid('credentials', `is in etcd3's form: use ${form}`)
  }
  if (has(memberOf(options, 'auth'), 'callOptions'))
    throw optionInvalid('auth.callOptions', 'is etcd3\'s name: use "etcd3: { defaultCallOptions }"')
  if (has(memberOf(memberOf(options, 'etcd3'), 'grpcOptions'), TARGET_NAME)) {
    const option = `etcd3.grpcOptions.${TARGET_NAME}`
    throw optionInvalid(option, 'is an option of grpc-js: use "serverName", or { url, serverName } for one endpoint')
  }
  const dialTimeout = memberOf(options, 'dialTimeout')
  if (typeof dialTimeout === 'number') {
    const form = 'must be a duration string such as "5s", not a number of milliseconds'
    throw optionInvalid('dialTimeout', `${form}; received ${String(dialTimeout)}`)
  }
}

function has(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && name in value
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
