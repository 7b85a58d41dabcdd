/** The JSON Schema of a plan, `etcd-mtls/plan.schema.json`, as src/cli/pki/plan-schema.ts has it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { emitJavaScript, readConfig } from './compile.mjs'

/** @param {object} schema */
export function renderPlanSchema(schema) {
  return `${JSON.stringify(schema, null, 2)}\n`
}

export async function loadPlanSchema(root) {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const scratch = mkdtempSync(join(root, '.cache/plan-schema-'))
  try {
    const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
    emitJavaScript(join(root, 'src'), 'cli/pki', scratch, options)
    const { PLAN_SCHEMA } = await import(pathToFileURL(join(scratch, 'cli/pki/plan-schema.js')).href)
    return PLAN_SCHEMA
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
