/**
 * Every name that etcd knows on its command line and in its configuration file, also those that have nothing to do with
 * TLS: only so can a slip of the pen be told from an option. Taken from etcdmain/config.go and embed/config.go of
 * v3.4.34, v3.5.33, v3.6.14 and v3.7.1, the newest releases of their lines.
 */
import { ETCD_LINES, type EtcdLine } from '../version.js'

/** Flags, with the release lines that have them; some are taken and ignored. */
export const KNOWN_FLAGS: ReadonlyMap<string, readonly EtcdLine[]> = new Map([
  ...known(
    ETCD_LINES,
    'advertise-client-urls auth-token auth-token-ttl auto-compaction-mode auto-compaction-retention ' +
      'auto-tls backend-batch-interval backend-batch-limit bcrypt-cost cert-file cipher-suites ' +
      'client-cert-allowed-hostname client-cert-auth client-crl-file cluster-active-size ' +
      'cluster-remove-delay cluster-sync-interval config config-file cors data-dir discovery-fallback ' +
      'discovery-srv discovery-srv-name election-timeout enable-grpc-gateway enable-pprof force ' +
      'force-new-cluster grpc-keepalive-interval grpc-keepalive-min-time grpc-keepalive-timeout ' +
      'heartbeat-interval host-whitelist initial-advertise-peer-urls initial-cluster initial-cluster-state ' +
      'initial-cluster-token initial-election-tick-advance key-file listen-client-http-urls ' +
      'listen-client-urls listen-metrics-urls listen-peer-urls log-level log-outputs logger ' +
      'max-concurrent-streams max-request-bytes max-result-buffer max-retry-attempts max-snapshots ' +
      'max-txn-ops max-wals metrics name peer-auto-tls peer-cert-allowed-cn peer-cert-allowed-hostname ' +
      'peer-cert-file peer-client-cert-auth peer-crl-file peer-election-timeout peer-heartbeat-interval ' +
      'peer-key-file peer-trusted-ca-file pre-vote quota-backend-bytes retry-interval snapshot ' +
      'snapshot-count strict-reconfig-check tls-max-version tls-min-version trusted-ca-file unsafe-no-fsync ' +
      'v version vv wal-dir',
  ),
  ...known(
    ['3.4', '3.5', '3.6'],
    'discovery discovery-proxy experimental-compaction-batch-limit experimental-corrupt-check-time ' +
      'experimental-enable-lease-checkpoint experimental-enable-lease-checkpoint-persist ' +
      'experimental-initial-corrupt-check experimental-peer-skip-client-san-verification ' +
      'experimental-warning-apply-duration experimental-watch-progress-notify-interval',
  ),
  ...known(
    ['3.5', '3.6', '3.7'],
    'backend-bbolt-freelist-type client-cert-file client-key-file enable-log-rotation ' +
      'log-rotation-config-json peer-client-cert-file peer-client-key-file raft-read-timeout ' +
      'raft-write-timeout self-signed-cert-validity socket-reuse-address socket-reuse-port v2-deprecation',
  ),
  ...known(
    ['3.4', '3.5'],
    'enable-v2 experimental-enable-v2v3 proxy proxy-dial-timeout proxy-failure-wait proxy-read-timeout ' +
      'proxy-refresh-interval proxy-write-timeout',
  ),
  ...known(
    ['3.5', '3.6'],
    'experimental-bootstrap-defrag-threshold-megabytes experimental-compact-hash-check-enabled ' +
      'experimental-compact-hash-check-time experimental-compaction-sleep-interval ' +
      'experimental-distributed-tracing-address experimental-distributed-tracing-instance-id ' +
      'experimental-distributed-tracing-sampling-rate experimental-distributed-tracing-service-name ' +
      'experimental-downgrade-check-time experimental-enable-distributed-tracing experimental-memory-mlock ' +
      'experimental-snapshot-catchup-entries experimental-stop-grpc-service-on-defrag ' +
      'experimental-txn-mode-write-with-shared-buffer',
  ),
  ...known(
    ['3.6', '3.7'],
    'bootstrap-defrag-threshold-megabytes compact-hash-check-time compaction-batch-limit ' +
      'compaction-sleep-interval corrupt-check-time discovery-cacert discovery-cert discovery-dial-timeout ' +
      'discovery-endpoints discovery-insecure-skip-tls-verify discovery-insecure-transport ' +
      'discovery-keepalive-time discovery-keepalive-timeout discovery-key discovery-password ' +
      'discovery-request-timeout discovery-token discovery-user distributed-tracing-address ' +
      'distributed-tracing-instance-id distributed-tracing-sampling-rate distributed-tracing-service-name ' +
      'downgrade-check-time enable-distributed-tracing feature-gates log-format max-learners memory-mlock ' +
      'peer-skip-client-san-verification snapshot-catchup-entries warning-apply-duration ' +
      'warning-unary-request-duration watch-progress-notify-interval',
  ),
  ...known(
    ['3.4'],
    'debug experimental-backend-bbolt-freelist-type log-output log-package-levels ' + 'next-cluster-version-compatible',
  ),
  ...known(['3.6'], 'experimental-warning-unary-request-duration'),
])

/** Keys at the top of a configuration file, with the release lines that have them. */
export const KNOWN_KEYS: ReadonlyMap<string, readonly EtcdLine[]> = new Map([
  ...known(
    ETCD_LINES,
    'advertise-client-urls auth-token auth-token-ttl auto-compaction-mode auto-compaction-retention ' +
      'backend-batch-interval backend-batch-limit bcrypt-cost cipher-suites client-transport-security cors ' +
      'data-dir discovery-fallback discovery-srv discovery-srv-name election-timeout enable-grpc-gateway ' +
      'enable-pprof force-new-cluster grpc-keepalive-interval grpc-keepalive-min-time ' +
      'grpc-keepalive-timeout heartbeat-interval host-whitelist initial-advertise-peer-urls initial-cluster ' +
      'initial-cluster-state initial-cluster-token initial-election-tick-advance listen-client-http-urls ' +
      'listen-client-urls listen-metrics-urls listen-peer-urls log-level log-outputs logger ' +
      'max-concurrent-streams max-request-bytes max-snapshots max-txn-ops max-wals metrics name ' +
      'peer-transport-security pre-vote quota-backend-bytes snapshot-count strict-reconfig-check ' +
      'tls-max-version tls-min-version unsafe-no-fsync wal-dir',
  ),
  ...known(
    ['3.4', '3.5', '3.6'],
    'discovery discovery-proxy experimental-compaction-batch-limit experimental-corrupt-check-time ' +
      'experimental-enable-lease-checkpoint experimental-enable-lease-checkpoint-persist ' +
      'experimental-initial-corrupt-check experimental-warning-apply-duration ' +
      'experimental-watch-progress-notify-interval',
  ),
  ...known(
    ['3.5', '3.6', '3.7'],
    'backend-bbolt-freelist-type enable-log-rotation log-rotation-config-json self-signed-cert-validity ' +
      'socket-options v2-deprecation',
  ),
  ...known(
    ['3.4', '3.5'],
    'enable-v2 experimental-enable-v2v3 proxy proxy-dial-timeout proxy-failure-wait proxy-read-timeout ' +
      'proxy-refresh-interval proxy-write-timeout',
  ),
  ...known(
    ['3.5', '3.6'],
    'experimental-bootstrap-defrag-threshold-megabytes experimental-compact-hash-check-enabled ' +
      'experimental-compact-hash-check-time experimental-compaction-sleep-interval ' +
      'experimental-distributed-tracing-address experimental-distributed-tracing-instance-id ' +
      'experimental-distributed-tracing-sampling-rate experimental-distributed-tracing-service-name ' +
      'experimental-downgrade-check-time experimental-enable-distributed-tracing experimental-memory-mlock ' +
      'experimental-snapshot-catch-up-entries experimental-stop-grpc-service-on-defrag ' +
      'experimental-txn-mode-write-with-shared-buffer',
  ),
  ...known(
    ['3.6', '3.7'],
    'bootstrap-defrag-threshold-megabytes compact-hash-check-time compaction-batch-limit ' +
      'compaction-sleep-interval corrupt-check-time discovery-config distributed-tracing-address ' +
      'distributed-tracing-instance-id distributed-tracing-sampling-rate distributed-tracing-service-name ' +
      'downgrade-check-time enable-distributed-tracing feature-gates grpc-additional-server-options ' +
      'log-format max-learners memory-mlock snapshot-catchup-entries warning-apply-duration ' +
      'warning-unary-request-duration watch-progress-notify-interval',
  ),
  ...known(
    ['3.4'],
    'debug experimental-backend-bbolt-freelist-type log-output log-package-levels ' + 'next-cluster-version-compatible',
  ),
  ...known(['3.6'], 'experimental-peer-skip-client-san-verification experimental-warning-unary-request-duration'),
])

function known(lines: readonly EtcdLine[], names: string): [string, readonly EtcdLine[]][] {
  return names.split(' ').map((name) => [name, lines])
}
