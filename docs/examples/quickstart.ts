/**
 * The whole story in one file: certificates issued, a real etcd started with them, a client that proves itself, and what
 * a bad certificate gets. `npm run quickstart` runs it.
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

step('A certificate authority, and a certificate for each side')
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

step('What the validator says of the server certificate, before anything uses it')
console.log(formatReport(validateCredentials(server, { usage: 'server', hosts: ['127.0.0.1'] }), { width, color }))

step('A real etcd that asks its clients for a certificate (--client-cert-auth)')
await using etcd = await startEtcd({ server })
console.log(`It serves on ${etcd.endpoint}`)

step('A client, connected over mutual TLS')
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

step('The server certificate of most how-tos: serverAuth alone, and the address only in the common name')
const bad = await fromPem(await howToCertificate(authority.export(), '127.0.0.1')).load()
console.log(formatReport(validateCredentials(bad, { usage: 'server', hosts: ['127.0.0.1'] }), { width, color }))

step('And what a client gets from an etcd that shows it')
await etcd.replaceServer(bad)
try {
  await using refused = await createSecureClient({ endpoints: etcd.endpoints, credentials: client })
  throw new Error(`${refused.constructor.name} should not have connected`)
} catch (error) {
  if (!isEtcdMtlsError(error, 'ERR_HANDSHAKE_FAILED')) throw error
  console.log(formatReport(error.details.report, { width, color }))
}

step('Done: etcd is being removed')
