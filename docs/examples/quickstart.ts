/**
 * Issues certificates, starts a real etcd with them, connects a client, and shows the report about a bad certificate.
 * `npm run quickstart` runs it.
 */
import {
  createAuthority,
  createSecureClient,
  formatReport,
  fromPem,
  isEtcdMtlsError,
  validateCredentials,
} from 'etcd-mtls'
import { startEtcd } from 'etcd-mtls/testing'
import { howToCertificate } from './how-to-certificate.js'

const step = (text: string): void => {
  console.log(`\n==> ${text}`)
}
const width = process.stdout.columns
const color = process.stdout.isTTY

step('Create a CA, and issue a certificate for the server and for the client')
const authority = await createAuthority({ name: 'Quickstart CA', validity: '30d' })
const server = await authority.issue({
  role: 'server',
  name: 'etcd-0',
  hosts: ['127.0.0.1', 'localhost'],
  validity: '7d',
})
const client = await authority.issue({ role: 'client', name: 'quickstart', validity: '7d' })
console.log(`CA      ${authority.certificate.subject.toString()}`)
console.log(
  `server  ${server.chain[0].subject.toString()}, for ${server.chain[0].subjectAltNames.map(({ value }) => value).join(', ')}`,
)
console.log(`client  ${client.chain[0].subject.toString()}`)

step('Validate the server certificate')
console.log(formatReport(validateCredentials(server, { usage: 'server', hosts: ['127.0.0.1'] }), { width, color }))

step('Start etcd, which requires client certificates (--client-cert-auth)')
await using etcd = await startEtcd({ server })
console.log(`etcd listens on ${etcd.endpoint}`)

step('Connect over mutual TLS')
await using db = await createSecureClient({ endpoints: etcd.endpoints, credentials: client })
console.log(`Connected to ${etcd.endpoint}: each side has verified the other's certificate`)

step('Write, read and watch a key')
const watcher = await db.watch().key('greeting').create()
const seen = new Promise<string>((resolve) => {
  watcher.on('put', ({ value }) => {
    resolve(value.toString())
  })
})
await db.put('greeting').value('hello over mTLS')
console.log(`put    greeting = hello over mTLS`)
console.log(`get    greeting = ${(await db.get('greeting').string()) ?? '(nothing)'}`)
console.log(`watch  greeting = ${await seen}`)
await watcher.cancel()

step('Validate a bad server certificate: only serverAuth, and the address only in the common name')
const bad = await fromPem(await howToCertificate(authority.export(), '127.0.0.1')).load()
console.log(formatReport(validateCredentials(bad, { usage: 'server', hosts: ['127.0.0.1'] }), { width, color }))

step('Connect to an etcd with that certificate')
await etcd.replaceServer(bad)
try {
  await using refused = await createSecureClient({ endpoints: etcd.endpoints, credentials: client })
  throw new Error(`${refused.constructor.name} must not connect`)
} catch (error) {
  if (!isEtcdMtlsError(error, 'ERR_HANDSHAKE_FAILED')) throw error
  console.log(formatReport(error, { width, color }))
}

step('Done: removing etcd')
