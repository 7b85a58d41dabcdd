/** The command as one file, `etcd-mtls.mjs`, for hosts without npm. It runs with nothing but Node. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { rolldown } from 'rolldown'
import { loadCatalogue } from './catalogue.mjs'
import { renderFindingsJson } from './findings-json.mjs'
import { readLogLines } from './log-lines.mjs'

/** Maximum bytes of the file. */
export const MAX_SINGLE_BYTES = 2_350_000

/** Bundles the program and all its packages into `file`. */
export async function bundleSingle(root, file) {
  const { catalogue, findingUrl } = await loadCatalogue(root)
  const data = {
    'package.json': { version: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version },
    'dist/log-lines.json': readLogLines(root),
    'dist/findings.json': JSON.parse(renderFindingsJson(root, catalogue, findingUrl)),
  }
  const build = await rolldown({
    cwd: root,
    input: join(root, 'src/cli/main.ts'),
    platform: 'node',
    plugins: [withData(root, data), withDescriptors(root)],
    external: (id) => id.startsWith('node:') || id === 'testcontainers',
    transform: { target: 'node20' },
    tsconfig: false,
    treeshake: { moduleSideEffects: true },
    checks: { bundlerTimings: false },
  })
  try {
    const { output } = await build.write({
      file,
      format: 'es',
      codeSplitting: false,
      minify: true,
      comments: false,
      sourcemap: false,
    })
    return output
  } finally {
    await build.close()
  }
}

/** The data files of the package, which are next to dist otherwise. As source code they would be a sixth of the file. */
function withData(root, data) {
  const module = join(root, 'src/cli/package-file.ts')
  const packed = Object.entries(data).map(([file, contents]) => [
    file,
    brotliCompressSync(JSON.stringify(contents)).toString('base64'),
  ])
  const code = `import { brotliDecompressSync } from 'node:zlib'
    const packed = ${JSON.stringify(Object.fromEntries(packed))}
    export const readPackageFile = (file) => JSON.parse(brotliDecompressSync(Buffer.from(packed[file], 'base64')))`
  return {
    name: 'with-data',
    load: (id) => (id === module ? code : null),
  }
}

const LOADING = '(0, proto_loader_1.loadSync)(`${__dirname}/../proto/rpc.proto`,'

/** The descriptors of etcd's messages as data: etcd3 reads them from a file of its own folder. */
function withDescriptors(root) {
  const require = createRequire(join(root, 'package.json'))
  const folder = dirname(require.resolve('etcd3/package.json'))
  const module = join(folder, 'lib/connection-pool.js')
  return {
    name: 'with-descriptors',
    load(id) {
      if (id !== module) return null
      const code = readFileSync(id, 'utf8')
      if (!code.includes(LOADING)) throw new Error(`${id} does not load rpc.proto as expected`)
      const { Root } = createRequire(require.resolve('@grpc/proto-loader'))('protobufjs')
      const descriptors = new Root().loadSync(join(folder, 'proto/rpc.proto'), { keepCase: true }).toJSON()
      return code.replace(LOADING, () => `(0, proto_loader_1.fromJSON)(${JSON.stringify(descriptors)},`)
    },
  }
}
