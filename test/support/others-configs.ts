/**
 * Configurations as etcd's own makers, kubeadm and distributions write them, made again here from what their templates put
 * out with default values. Each has its source. What concerns neither TLS, addresses, identity nor names of options is
 * left out.
 */

export const at = (host: string, port: number): string => `https://${host}:${String(port)}`
export const CLIENT = at('10.0.0.11', 2379)
export const PEER = at('10.0.0.11', 2380)

/** Options as lines of a file. */
export function lines(prefix: string, options: Readonly<Record<string, string>>, separator = '='): string {
  return Object.entries(options)
    .map(([name, value]) => `${prefix}${name}${separator}${value}\n`)
    .join('')
}

/** What kubeadm 1.31 adds for etcd 3.5, and kubeadm 1.34 for etcd 3.6. */
const KUBEADM = {
  '3.5': {
    image: 'registry.k8s.io/etcd:3.5.16-0',
    options: { 'experimental-initial-corrupt-check': 'true', 'experimental-watch-progress-notify-interval': '5s' },
  },
  '3.6': {
    image: 'registry.k8s.io/etcd:3.6.4-0',
    options: { 'feature-gates': 'InitialCorruptCheck=true', 'watch-progress-notify-interval': '5s' },
  },
}

/** kubernetes/kubernetes, cmd/kubeadm/app/phases/etcd/local.go, getEtcdCommand and GetEtcdPodSpec. */
export function kubeadmPod(line: keyof typeof KUBEADM, image = KUBEADM[line].image): string {
  const pki = '/etc/kubernetes/pki/etcd'
  const flags = lines('    - --', {
    'advertise-client-urls': CLIENT,
    'cert-file': `${pki}/server.crt`,
    'client-cert-auth': 'true',
    'data-dir': '/var/lib/etcd',
    'initial-advertise-peer-urls': PEER,
    'initial-cluster': `cp-1=${PEER}`,
    'key-file': `${pki}/server.key`,
    'listen-client-urls': `${at('127.0.0.1', 2379)},${CLIENT}`,
    'listen-metrics-urls': 'http://127.0.0.1:2381',
    'listen-peer-urls': PEER,
    name: 'cp-1',
    'peer-cert-file': `${pki}/peer.crt`,
    'peer-client-cert-auth': 'true',
    'peer-key-file': `${pki}/peer.key`,
    'peer-trusted-ca-file': `${pki}/ca.crt`,
    'snapshot-count': '10000',
    'trusted-ca-file': `${pki}/ca.crt`,
    ...KUBEADM[line].options,
  })
  return `apiVersion: v1
kind: Pod
metadata: {name: etcd, namespace: kube-system}
spec:
  containers:
  - command:
    - etcd
${flags}    image: ${image}
    name: etcd
    volumeMounts:
    - {mountPath: /var/lib/etcd, name: etcd-data}
    - {mountPath: ${pki}, name: etcd-certs}
  hostNetwork: true
  volumes:
  - {hostPath: {path: ${pki}, type: DirectoryOrCreate}, name: etcd-certs}
  - {hostPath: {path: /var/lib/etcd, type: DirectoryOrCreate}, name: etcd-data}
`
}

/** etcd-io/etcd, etcd.conf.yml.sample: what the samples of the release lines have in common, and what is theirs alone. */
export function etcdSample(version: '3.4.0' | '3.5.0' | '3.5.1' | '3.5.14' | '3.5.22' | '3.6.0' | '3.7.1'): string {
  const side = '  cert-file:\n  key-file:\n  client-cert-auth: false\n  trusted-ca-file:\n  auto-tls: false\n'
  const common = lines(
    '',
    {
      name: "'default'",
      'data-dir': '',
      'wal-dir': '',
      'snapshot-count': '10000',
      'heartbeat-interval': '100',
      'election-timeout': '1000',
      'quota-backend-bytes': '0',
      'listen-peer-urls': 'http://localhost:2380',
      'listen-client-urls': 'http://localhost:2379',
      'max-snapshots': '5',
      'max-wals': '5',
      cors: '',
      'initial-advertise-peer-urls': 'http://localhost:2380',
      'advertise-client-urls': 'http://localhost:2379',
      discovery: '',
      'discovery-fallback': "'proxy'",
      'discovery-proxy': '',
      'discovery-srv': '',
      'initial-cluster': '',
      'initial-cluster-token': "'etcd-cluster'",
      'initial-cluster-state': "'new'",
      'strict-reconfig-check': 'false',
      'enable-pprof': 'true',
      proxy: "'off'",
      'proxy-failure-wait': '5000',
      'proxy-read-timeout': '0',
      logger: 'zap',
      'log-outputs': '[stderr]',
      'force-new-cluster': 'false',
      'auto-compaction-mode': 'periodic',
      'auto-compaction-retention': '"1"',
    },
    ': ',
  )
  const before36 = 'enable-v2: true\n'
  const since36 =
    'cipher-suites: [\n  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,\n  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n]\n' +
    "tls-min-version: 'TLS1.2'\ntls-max-version: 'TLS1.3'\n"
  const names = '  allowed-cn:\n  allowed-hostname:\n'
  return [
    `# This is the configuration file for the etcd server.\n${common}`,
    `client-transport-security:\n  # Path to the client server TLS cert file.\n${side}`,
    `peer-transport-security:\n${side}${['3.5.14', '3.5.22', '3.6.0', '3.7.1'].includes(version) ? names : ''}`,
    ['3.4.0'].includes(version) ? 'debug: false\n' : 'log-level: debug\n',
    ['3.4.0', '3.5.0'].includes(version) ? '' : 'self-signed-cert-validity: 1\n',
    ['3.6.0', '3.7.1'].includes(version) ? since36 : before36,
  ].join('\n')
}

/** The two blocks of the how-to that this package answers to, with its own comments. */
export const HOW_TO = `# etcd.conf.yml snippet
client-transport-security:
  cert-file: /etc/etcd/ssl/server.crt
  key-file: /etc/etcd/ssl/server.key
  trusted-ca-file: /etc/etcd/ssl/ca.crt
  auto-tls: false # Important: Set to false if you're manually configuring TLS

peer-transport-security:
  cert-file: /etc/etcd/ssl/server.crt # Often the same as client certs for simplicity
  key-file: /etc/etcd/ssl/server.key
  trusted-ca-file: /etc/etcd/ssl/ca.crt
  auto-tls: false
`

/** The same, fixed: both ask for certificates, and listen by https. */
export const HOW_TO_MENDED =
  lines(
    '',
    {
      name: 'etcd-server',
      'listen-client-urls': at('192.168.1.10', 2379),
      'advertise-client-urls': at('etcd-server.example.com', 2379),
      'listen-peer-urls': at('192.168.1.10', 2380),
      'initial-advertise-peer-urls': at('192.168.1.10', 2380),
      'initial-cluster': `etcd-server=${at('192.168.1.10', 2380)}`,
    },
    ': ',
  ) + HOW_TO.replaceAll('  auto-tls', '  client-cert-auth: true\n  auto-tls')

/** Debian's etcd-server 3.5.16, /lib/systemd/system/etcd.service: etcd with its defaults, at the loopback. */
export const DEBIAN_UNIT = `[Unit]
Description=etcd - highly-available key value store
[Service]
Environment=DAEMON_ARGS=
Environment=ETCD_NAME=%H
Environment=ETCD_DATA_DIR=/var/lib/etcd/default
EnvironmentFile=-/etc/default/%p
Type=notify
User=etcd
#ExecStart=/bin/sh -c "GOMAXPROCS=$(nproc) /usr/bin/etcd $DAEMON_ARGS"
ExecStart=/usr/bin/etcd $DAEMON_ARGS
`

/** Flatcar and Container Linux, etcd-member.service with a drop-in; the wrapper hands on variables and flags. */
export const FLATCAR_UNIT = `[Service]
Environment="ETCD_IMAGE_TAG=v3.5.16"
Environment="ETCD_SSL_DIR=/etc/ssl/etcd"
Environment="ETCD_NAME=%m"
ExecStart=/usr/lib/flatcar/etcd-wrapper $ETCD_OPTS \\
  --listen-client-urls=${at('0.0.0.0', 2379)} \\
  --advertise-client-urls=${CLIENT} \\
  --cert-file=/etc/ssl/certs/server.pem --key-file=/etc/ssl/certs/server-key.pem \\
  --client-cert-auth --trusted-ca-file=/etc/ssl/certs/ca.pem
`
