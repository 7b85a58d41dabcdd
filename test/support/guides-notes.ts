/** What the test of the guides needs to know about single blocks. The others run as they are, but for hosts and paths. */
import type { BlockNote, RunNote } from './guides.js'

/** Blocks that run elsewhere, or that cannot run here. */
export const NOT_RUN: readonly (BlockNote & { readonly why: string })[] = [
  { page: 'README.md', has: "put('greeting')", why: 'The test of the quickstart runs it.' },
  { page: 'docs/getting-started.md', has: 'authority.certificate.subject', why: 'The test of its steps runs it.' },
  { page: 'docs/getting-started.md', has: "'./pki/etcd-0/peer'", why: 'The test of its steps runs it.' },
  {
    page: 'docs/getting-started.md',
    has: "writeCredentials('./pki/my-service'",
    why: 'The test of its steps runs it.',
  },
  { page: 'docs/getting-started.md', has: 'createSecureClient', why: 'The test of its steps runs it.' },
  { page: 'docs/getting-started.md', has: 'inspectCredentials', why: 'The test of its steps runs it.' },
  { page: 'docs/connecting.md', has: 'srv:', why: 'It requires SRV records of example.com.' },
  { page: 'docs/testing.md', has: 'node:test', why: 'It is a test file: a test of ours runs it with node.' },
  { page: 'docs/tool-chains.md', has: '// rollup.config.mjs', why: '`npm run check -- matrix rollup` runs it.' },
  { page: 'docs/tool-chains.md', has: '// next.config.mjs', why: '`npm run check -- matrix next` runs it.' },
  { page: 'docs/tool-chains.md', has: '// jest.config.cjs', why: '`npm run check -- matrix jest` runs it.' },
]

export const RUN_NOTES: readonly RunNote[] = [
  { page: 'docs/coordination.md', has: 'observe', edits: [['timeout(60_000)', 'timeout(300)']] },
  {
    page: 'docs/following-files.md',
    has: 'source.watch',
    edits: [['new AbortController()', '{ signal: AbortSignal.timeout(300) }']],
  },
  // A key of 4096 bits takes seconds.
  { page: 'docs/issuing.md', has: "'rsa-4096'", edits: [["'rsa-4096'", "'rsa-2048'"]] },
  { page: 'docs/migrating.md', has: 'export const readGreeting', then: 'await readGreeting()', staysOpen: true },
  {
    page: 'docs/migrating.md',
    has: 'exports.readGreeting',
    then: 'exports.readGreeting().then(() => console.log("read"))',
    prints: /read/,
    staysOpen: true,
  },
  { page: 'docs/operating.md', has: 'createServer', staysOpen: true },
  { page: 'docs/requests.md', has: 'readFileSync(0', edits: [['readFileSync(0', "readFileSync('request.json'"]] },
  { page: 'docs/rotation.md', has: 'SIGHUP', staysOpen: true },
  {
    page: 'docs/rotation.md',
    has: 'client.tls.events()',
    staysOpen: true,
    edits: [['for await', 'void client.tls.rotate().finally(() => client.close())\nfor await']],
    prints: /now CN=root/,
  },
  { page: 'docs/watches.md', has: "put('config/colour')", prints: /config\/colour is green/ },
  {
    page: 'docs/watches.md',
    has: 'mirror(client',
    edits: [['for await', 'setTimeout(() => client.close(), 300)\nfor await']],
    prints: /colour: green/,
  },
  { page: 'docs/watches.md', has: 'pages(client', prints: /config\/colour exists/ },
  { page: 'docs/watches.md', has: 'config.clear', prints: /1 keys/ },
  { page: 'docs/watches.md', has: 'withSignal', prints: /hello/ },
  { page: 'docs/watches.md', has: 'client.lease', prints: /services\/orders\/1/ },
]
