/** Programs of the tests as plain JavaScript, for a run of their own. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { rolldown } from 'rolldown'

/**
 * Bundles each of the files (relative to `root`) with what it imports, into a folder inside the repository, where packages resolve:
 * `test/fuzz/worker.ts` becomes `worker.js`. The folder is removed when the run ends. Returns its path.
 */
export async function bundleForRun(root, { name, files, defer }) {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache', `${name}-`))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(files.map((file) => [basename(file, '.ts'), file])),
    platform: 'node',
    // The helpers of the bundler's own transformations, as of `using`, come with it.
    external: /^(?!\0?@oxc-project)[^./]/,
    transform: { target: 'node20' },
    tsconfig: false,
    treeshake: false,
  })
  try {
    await build.write({ dir: folder, format: 'es', sourcemap: false })
  } finally {
    await build.close()
  }
  return folder
}
