/**
 * `npm run check -- matrix-types`: checks a program that uses the packed package with each TypeScript version from 5.7 to 7.0, with
 * `skipLibCheck: false`. It installs the versions into .cache. Errors inside other packages' declarations are counted and
 * named, and fail nothing: they are not ours to fix.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must, run } from './lib/process.mjs'
import { TYPESCRIPTS } from './lib/supported.mjs'

const PROGRAM = `import { createAuthority, createSecureClient, type SecureEtcd3 } from 'etcd-mtls'
import { startEtcd } from 'etcd-mtls/testing'
export { lintEtcdConfig } from 'etcd-mtls/config'
export async function use(hosts: string[]): Promise<SecureEtcd3> {
  const authority = await createAuthority({ name: 'CA' })
  const server = await authority.issue({ role: 'server', name: 'a', hosts })
  const etcd = await startEtcd({ server })
  return createSecureClient({ endpoints: etcd.endpoints, credentials: server })
}
`
/** TypeScript 5.7 does not know that Node loads ES modules by `require()`. */
const RESOLUTIONS = [
  { name: 'NodeNext, ESM', file: 'use.mts', options: { module: 'nodenext' } },
  { name: 'NodeNext, CommonJS', file: 'use.cts', options: { module: 'nodenext' }, not: '5.7' },
  { name: 'bundler', file: 'use.ts', options: { module: 'esnext', moduleResolution: 'bundler' } },
]

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const project = join(root, '.cache', 'matrix-types')
const home = join(project, 'node_modules', 'etcd-mtls')
rmSync(project, { recursive: true, force: true })
mkdirSync(home, { recursive: true })
await must('npm', ['run', '--silent', 'build'], { cwd: root })
cpSync(join(root, 'dist'), join(home, 'dist'), { recursive: true })
cpSync(join(root, 'package.json'), join(home, 'package.json'))
writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true }))

for (const version of TYPESCRIPTS) {
  const folder = join(root, '.cache', `typescript-${version}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  await must('npm', ['install', '--no-audit', '--no-fund', `typescript@~${version}.0`], { cwd: folder })
  for (const { name, file, options, not } of RESOLUTIONS) {
    if (version === not) {
      console.log(`none  ${version}  ${name}: requires TypeScript 5.8`)
      continue
    }
    const { ours, others } = await check(join(folder, 'node_modules/typescript/bin/tsc'), file, options)
    const elsewhere = others.length === 0 ? '' : ` (${others.length} errors in ${packagesOf(others).join(', ')})`
    console.log(`${ours.length === 0 ? 'ok  ' : 'FAIL'}  ${version}  ${name}${elsewhere}`)
    for (const line of ours) console.log(`      ${line}`)
    if (ours.length > 0) process.exitCode = 1
  }
}

async function check(tsc, file, options) {
  const strict = { noEmit: true, strict: true, skipLibCheck: false, types: ['node'], target: 'es2022' }
  const compilerOptions = { ...strict, lib: ['es2022', 'esnext.disposable'], ...options }
  writeFileSync(join(project, file), PROGRAM)
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }))
  const { code, stdout, stderr } = await run(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], { cwd: project })
  const lines = `${stdout}${stderr}`.split('\n').filter((line) => /\S/.test(line) && !line.startsWith(' '))
  const others = lines.filter((line) => /node_modules\/(?!etcd-mtls\/)/.test(line))
  const ours = lines.filter((line) => !others.includes(line))
  if (code !== 0 && lines.length === 0) ours.push(`tsc ended with exit code ${code}`)
  return { ours, others }
}

function packagesOf(lines) {
  const names = lines.map((line) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(line)?.[1])
  return [...new Set(names)].sort()
}
