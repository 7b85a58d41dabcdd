/** Options that etcd does not take next to others, or not without them, as 3.6 has several for what goes (Validate). */
import { availableIn, type ParsedVersion } from './version.js'

/** Two options that cannot both be set, or one that needs another, by their flags. */
export type Discord =
  { readonly option: string; readonly other: string } | { readonly option: string; readonly needs: string }

/** Options that 3.6 has under two names (server/embed/config.go v3.6.14 experimentalFlagMigrationMap); 3.7 has the new one. */
const RENAMED: readonly string[] = (
  'compact-hash-check-time corrupt-check-time compaction-batch-limit watch-progress-notify-interval ' +
  'warning-apply-duration warning-unary-request-duration bootstrap-defrag-threshold-megabytes memory-mlock ' +
  'snapshot-catchup-entries compaction-sleep-interval downgrade-check-time peer-skip-client-san-verification ' +
  'enable-distributed-tracing distributed-tracing-address distributed-tracing-service-name ' +
  'distributed-tracing-instance-id distributed-tracing-sampling-rate'
).split(' ')

const GATES = 'feature-gates'

/** Feature gates, since when (server/features/etcd_features.go v3.6.0, v3.7.0; pkg/featuregate/feature_gate.go). */
const GATE_SINCE: Readonly<Record<string, '3.6.0' | '3.7.0'>> = {
  AllAlpha: '3.6.0',
  AllBeta: '3.6.0',
  CompactHashCheck: '3.6.0',
  InitialCorruptCheck: '3.6.0',
  LeaseCheckpoint: '3.6.0',
  LeaseCheckpointPersist: '3.6.0',
  SetMemberLocalAddr: '3.6.0',
  StopGRPCServiceOnDefrag: '3.6.0',
  TxnModeWriteWithSharedBuffer: '3.6.0',
  FastLeaseKeepAlive: '3.7.0',
  PriorityRequest: '3.7.0',
}

/** Flags of 3.6 and before that became a gate (v3.6.14 ExperimentalFlagToFeatureMap). */
const GATE_OF: Readonly<Record<string, string>> = {
  'experimental-stop-grpc-service-on-defrag': 'StopGRPCServiceOnDefrag',
  'experimental-initial-corrupt-check': 'InitialCorruptCheck',
  'experimental-compact-hash-check-enabled': 'CompactHashCheck',
  'experimental-txn-mode-write-with-shared-buffer': 'TxnModeWriteWithSharedBuffer',
  'experimental-enable-lease-checkpoint': 'LeaseCheckpoint',
  'experimental-enable-lease-checkpoint-persist': 'LeaseCheckpointPersist',
}

const CHECKPOINT = 'experimental-enable-lease-checkpoint'
const TRUE = /^(?:1|t|T|TRUE|true|True)$/

/** The gates that a version knows. Without a version, those of any. */
export function gatesOf(version: ParsedVersion | null): string[] {
  return Object.entries(GATE_SINCE).flatMap(([gate, since]) =>
    version === null || availableIn(version, [since]) !== 'none' ? [gate] : [],
  )
}

/**
 * What of the options that are set cannot be set like that.
 *
 * @param textOf What an option is set to, by its flag; undefined if it is not set, or if the version does not know it.
 */
export function discords(textOf: (flag: string) => string | undefined): Discord[] {
  const isSet = (flag: string): boolean => textOf(flag) !== undefined
  const gates = (textOf(GATES) ?? '').split(',').map((each) => each.split('=', 2).map((part) => part.trim()))
  const gate = (name: string): boolean => gates.some(([own, value = '']) => own === name && TRUE.test(value))
  const found: Discord[] = []
  for (const name of RENAMED) {
    const old = `experimental-${name}`
    if (isSet(old) && isSet(name)) found.push({ option: old, other: name })
  }
  for (const [flag, name] of Object.entries(GATE_OF)) {
    if (isSet(flag) && gates.some(([own]) => own === name)) found.push({ option: flag, other: GATES })
  }
  const isCheckpoint = gate('LeaseCheckpoint') || TRUE.test(textOf(CHECKPOINT) ?? '')
  if (TRUE.test(textOf(`${CHECKPOINT}-persist`) ?? '') && !isCheckpoint) {
    found.push({ option: `${CHECKPOINT}-persist`, needs: CHECKPOINT })
  }
  if (gate('LeaseCheckpointPersist') && !isCheckpoint) found.push({ option: GATES, needs: 'LeaseCheckpoint=true' })
  return found
}
