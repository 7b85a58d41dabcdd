/**
 * `npm run quickstart`: gets what is missing, then runs docs/examples/quickstart.ts against a real etcd.
 * Leaves nothing behind but what was fetched (node_modules, .cache, the image), also when it is ended half way.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDependencies } from './lib/dependencies.mjs'
import { removeLabelled } from './lib/engine-api.mjs'
import { chooseEtcd } from './lib/etcd-choice.mjs'
import { lifecycle } from './lib/lifecycle.mjs'
import { run } from './lib/process.mjs'
import { makeStory } from './lib/story.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

await lifecycle(async ({ signal, defer }) => {
  const label = `quickstart-${process.pid}`
  await ensureDependencies(root, { signal })
  const etcd = await chooseEtcd({ root, signal })
  const story = await makeStory(root)
  defer(story.remove)
  // What the story puts into temporary folders goes with this one, however the story ends.
  const temporary = mkdtempSync(join(tmpdir(), 'etcd-mtls-quickstart-'))
  defer(() => rmSync(temporary, { recursive: true, force: true, maxRetries: 10 }))
  defer(() => etcd.engine && removeLabelled(etcd.engine, `etcd-mtls.run=${label}`, { settle: signal.aborted }))
  const env = {
    ...process.env,
    ...etcd.env,
    TMPDIR: temporary,
    TESTCONTAINERS_RYUK_DISABLED: 'true',
    ETCD_MTLS_TEST_RUN: label,
  }
  const { code } = await run(process.execPath, [story.file], { cwd: root, env, signal, output: 'show' })
  return code ?? 1
})
