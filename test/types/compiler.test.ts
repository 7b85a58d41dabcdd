/**
 * What the TypeScript compiler says about the examples in the docs, and about the contract that the files next to this one
 * hold as types. The compiler runs once for all of it: it takes most of its time for the declarations of Node and etcd3.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileDeclarations, root } from '../support/compiled.js'
import { publicDeclarations } from '../support/public-declarations.js'
import { markdownFiles, readPage } from '../support/markdown.js'
import { hovered, type Snippet, TypeCheck } from '../support/type-check.js'

const blocks = markdownFiles(root).flatMap((file) =>
  readPage(readFileSync(join(root, file), 'utf8'))
    .blocks.filter(({ language }) => language === 'ts' || language === 'typescript')
    .map(({ code, line }): Snippet => ({ name: `${file}:${String(line)}`, code })),
)
const examples = typeScriptIn('docs/examples')
const contract = typeScriptIn('test/types').filter((file) => !file.endsWith('.test.ts'))

const IMPORT = "import { formatReport, type Report } from 'etcd-mtls'"
const EXPECT = "import { expectTypeOf } from 'vitest'\nimport type { Report } from 'etcd-mtls'"
const CLIENT = `import { createSecureClient, type CredentialSource } from 'etcd-mtls'
declare const credentials: CredentialSource`
const ENDPOINTS =
  'readonly (string | { url: string; serverName?: string | undefined; })[] | { srv: string; name?: string | undefined; }'
const good: Snippet[] = [
  { name: 'good', code: `${IMPORT}\nconst f: (r: Report) => string = formatReport` },
  { name: 'kept', code: `${EXPECT}\nexpectTypeOf<Report['ok']>().toEqualTypeOf<boolean>()` },
]
// None with a fault of syntax: then the compiler looks at nothing else.
const bad: Snippet[] = [
  { name: 'unknown option', code: `${IMPORT}\nformatReport({} as Report, { colour: true })` },
  { name: 'unknown export', code: "import { formatRapport } from 'etcd-mtls'" },
  { name: 'broken', code: `${EXPECT}\nexpectTypeOf<Report['ok']>().toEqualTypeOf<true>()` },
  { name: 'nothing to expect', code: '// @ts-expect-error -- nothing is wrong below\nexport const a = 1' },
]

/** Ten mistakes in the first call that everybody makes, with the line that tells a reader what to change. */
const MISTAKES: readonly (readonly [mistake: string, call: string, complaint: string])[] = [
  [
    'endpoint instead of endpoints',
    "createSecureClient({ endpoint: 'https://10.0.0.1:2379', credentials })",
    "error TS2561: Object literal may only specify known properties, but 'endpoint' does not exist in type 'SecureClientOptions'. Did you mean to write 'endpoints'?",
  ],
  [
    'hosts, the name in etcd3',
    "createSecureClient({ hosts: 'https://10.0.0.1:2379', credentials })",
    "error TS2353: Object literal may only specify known properties, and 'hosts' does not exist in type 'SecureClientOptions'.",
  ],
  [
    'discovery, the name in etcdctl',
    "createSecureClient({ discovery: { domain: 'example.com' }, credentials })",
    "error TS2353: Object literal may only specify known properties, and 'discovery' does not exist in type 'SecureClientOptions'.",
  ],
  [
    'domain instead of srv',
    "createSecureClient({ endpoints: { domain: 'example.com' }, credentials })",
    `error TS2353: Object literal may only specify known properties, and 'domain' does not exist in type '${ENDPOINTS}'.`,
  ],
  [
    'one url outside an array',
    "createSecureClient({ endpoints: { url: 'https://10.0.0.1:2379' }, credentials })",
    `error TS2353: Object literal may only specify known properties, and 'url' does not exist in type '${ENDPOINTS}'.`,
  ],
  [
    'no credentials',
    "createSecureClient({ endpoints: 'https://10.0.0.1:2379' })",
    "error TS2741: Property 'credentials' is missing in type '{ endpoints: string; }' but required in type 'SecureClientOptions'.",
  ],
  [
    'paths instead of fromFiles',
    "createSecureClient({ endpoints: '', credentials: { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key' } })",
    "error TS2322: Type 'string' is not assignable to type 'PrivateKey'.",
  ],
  [
    'a number of milliseconds',
    "createSecureClient({ endpoints: '', credentials, dialTimeout: 5000 })",
    "error TS2322: Type 'number' is not assignable to type 'string'.",
  ],
  [
    'an option of node:tls',
    "createSecureClient({ endpoints: '', credentials, rejectUnauthorized: false })",
    "error TS2353: Object literal may only specify known properties, and 'rejectUnauthorized' does not exist in type 'SecureClientOptions'.",
  ],
  [
    'a version of TLS that etcd refuses',
    "createSecureClient({ endpoints: '', credentials, tls: { minVersion: 'TLSv1.1' } })",
    `error TS2820: Type '"TLSv1.1"' is not assignable to type '"TLSv1.2" | "TLSv1.3" | undefined'. Did you mean '"TLSv1.2"'?`,
  ],
]
const mistakes = MISTAKES.map(([name, call]): Snippet => ({ name, code: `${CLIENT}\nawait ${call}` }))

/** The examples in the comments of public functions. They leave out imports, and what they start from. */
const { functions } = publicDeclarations()
const START = `import { readFile } from 'node:fs/promises'
import type * as api from 'etcd-mtls'
${functions.map(({ name, room }) => `import { ${name} } from 'etcd-mtls/${room === 'report' ? 'client' : room}'`).join('\n')}
declare const [authority, next]: [api.Authority, api.Authority]
declare const [credentials, server, peer]: [api.Credentials, api.Credentials, api.Credentials]
declare const client: import('etcd-mtls/client').SecureEtcd3
declare const cluster: api.Cluster<'etcd-0', 'app'>
declare const config: api.MemberConfig
declare const error: unknown
declare const report: api.Report
declare const [leaf, ca]: [string, string]
declare const env: Record<'ETCD_CA' | 'ETCD_CERT' | 'ETCD_KEY', string>
declare const work: (fencingToken: string) => Promise<void>
declare const members: import('etcd-mtls/doctor').ForecastMember[]`
const inComments = functions.flatMap(({ name, examples: codes }) =>
  codes.map((code, index): Snippet => ({ name: `${name} ${String(index)}`, code: `${START}\n{\n${code}\n}` })),
)

let compiler: TypeCheck
beforeAll(async () => {
  compiler = new TypeCheck(
    [...blocks, ...good, ...bad, ...mistakes, ...inComments],
    [...examples, ...contract],
    await compileDeclarations(),
  )
})

describe('the compiler', () => {
  it.each(good)('accepts the snippet $name', ({ name }) => {
    expect(compiler.ofSnippet(name)).toEqual([])
  })

  it.each(bad)('refuses the snippet $name', ({ name }) => {
    expect(compiler.ofSnippet(name)).not.toEqual([])
  })

  it.each(MISTAKES)('explains the mistake in the options of createSecureClient: %s', (name, _call, complaint) => {
    expect(compiler.ofSnippet(name).map((line) => line.split('\n')[0])).toEqual([`line 3: ${complaint}`])
  })

  it('accepts every ts block of the docs', () => {
    expect(blocks.length).toBeGreaterThan(50)
    expect(blocks.flatMap(({ name }) => compiler.ofSnippet(name).map((line) => `${name} ${line}`))).toEqual([])
  })

  it('accepts every example in the comment of a public function', () => {
    expect(inComments.length).toBeGreaterThan(40)
    expect(inComments.flatMap(({ name }) => compiler.ofSnippet(name).map((line) => `${name} ${line}`))).toEqual([])
  })

  it('accepts every file in docs/examples', () => {
    expect(examples).not.toEqual([])
    expect(examples.flatMap((file) => compiler.ofFile(file).map((line) => `${file} ${line}`))).toEqual([])
  })

  it('finds that the public API has the types of the contract', () => {
    expect(contract).toContain('test/types/report.ts')
    expect(contract.flatMap((file) => compiler.ofFile(file).map((line) => `${file} ${line}`))).toEqual([])
  })
})

it('An editor shows the errors and their details by names, and not as unions of their properties', async () => {
  const code = `
    import { isEtcdMtlsError } from 'etcd-mtls/validate'
    declare const error: unknown
    if (/*?*/isEtcdMtlsError(error)) {
      /*?*/error
      if (error.code === 'ERR_OPTION_INVALID') error./*?*/details
      if (error.code === 'ERR_UNREACHABLE') error./*?*/details
    }`
  expect(hovered(code, await compileDeclarations())).toEqual([
    '(alias) isEtcdMtlsError(error: unknown): error is AnyEtcdMtlsError (+1 overload)',
    'const error: AnyEtcdMtlsError',
    '(property) EtcdMtlsError<"ERR_OPTION_INVALID">.details: OptionInvalidDetails',
    '(property) EtcdMtlsError<"ERR_UNREACHABLE">.details: FailedReportDetails',
  ])
})

function typeScriptIn(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
}
