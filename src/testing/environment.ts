/**
 * Defaults from the environment, so that one test suite runs on a laptop and in a pipeline that has another engine,
 * another mirror of images, or no engine at all. An option that is given wins over its variable.
 */
import { optionInvalid } from '../report/option-error.js'

/** Label on every container and network of this room; its value is the run that they belong to. */
export const RUN_LABEL = 'etcd-mtls.run'

/** The official image, in the version of etcd that Debian 13 ships. */
const DEFAULT_IMAGE = 'gcr.io/etcd-development/etcd:v3.5.16'

/** What etcd runs in. */
export type Via = 'container' | 'binary'

/** `ETCD_MTLS_TEST_VIA`: `container` (the default) or `binary`. */
export function defaultVia(env: NodeJS.ProcessEnv): Via {
  const via = env['ETCD_MTLS_TEST_VIA'] ?? 'container'
  if (via !== 'container' && via !== 'binary') {
    throw optionInvalid('ETCD_MTLS_TEST_VIA', "must be 'container' or 'binary'")
  }
  return via
}

/** `ETCD_MTLS_TEST_IMAGE`: the image that containers are made of. */
export function defaultImage(env: NodeJS.ProcessEnv): string {
  return env['ETCD_MTLS_TEST_IMAGE'] ?? DEFAULT_IMAGE
}

/**
 * `ETCD_MTLS_TEST_RUN`: value of the label {@link RUN_LABEL}. A pipeline that sets it can remove what a killed test
 * has left: `docker ps --all --quiet --filter label=etcd-mtls.run=VALUE`.
 */
export function runLabel(env: NodeJS.ProcessEnv): string {
  return env['ETCD_MTLS_TEST_RUN'] ?? String(process.pid)
}
