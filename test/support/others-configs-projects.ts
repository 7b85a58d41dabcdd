/** Configurations as projects that deploy Kubernetes or etcd write them, made again as in others-configs.ts. */
import { at, CLIENT, lines, PEER } from './others-configs.js'

/** kubernetes-sigs/kubespray, roles/etcd/templates/etcd.env.j2 with roles/etcd_defaults, 2026: for etcd 3.5 and for 3.6. */
export const KUBESPRAY_ENV = `# Environment file for etcd 3.6.12
${lines('ETCD_', {
  DATA_DIR: '/var/lib/etcd',
  ADVERTISE_CLIENT_URLS: CLIENT,
  INITIAL_ADVERTISE_PEER_URLS: PEER,
  INITIAL_CLUSTER_STATE: 'existing\n',
  METRICS: 'basic',
  LISTEN_CLIENT_URLS: `${CLIENT},${at('127.0.0.1', 2379)}`,
  INITIAL_CLUSTER_TOKEN: 'k8s_etcd',
  LISTEN_PEER_URLS: PEER,
  NAME: 'etcd1',
  PROXY: 'off',
  INITIAL_CLUSTER: `etcd1=${PEER},etcd2=${at('10.0.0.12', 2380)},etcd3=${at('10.0.0.13', 2380)}`,
  AUTO_COMPACTION_RETENTION: '8',
  MAX_SNAPSHOTS: '5',
})}
# TLS settings
${lines('ETCD_', {
  TRUSTED_CA_FILE: '/etc/ssl/etcd/ssl/ca.pem',
  CERT_FILE: '/etc/ssl/etcd/ssl/member-node1.pem',
  KEY_FILE: '/etc/ssl/etcd/ssl/member-node1-key.pem',
  CLIENT_CERT_AUTH: 'true\n',
  PEER_TRUSTED_CA_FILE: '/etc/ssl/etcd/ssl/ca.pem',
  PEER_CERT_FILE: '/etc/ssl/etcd/ssl/member-node1.pem',
  PEER_KEY_FILE: '/etc/ssl/etcd/ssl/member-node1-key.pem',
  // Ansible prints what Python calls true.
  PEER_CLIENT_CERT_AUTH: 'True\n',
})}
# CLI settings
ETCDCTL_ENDPOINTS=${at('127.0.0.1', 2379)}
ETCDCTL_CACERT=/etc/ssl/etcd/ssl/ca.pem

# https://groups.google.com/g/dev/c/a/m/b?utm_medium=email&utm_source=footer
ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK=True

ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL=5s
`

/** kubespray, roles/etcd/templates/etcd-host.service.j2. */
export const KUBESPRAY_UNIT = `[Unit]
Description=etcd
[Service]
Type=notify
User=root
EnvironmentFile=/etc/etcd.env
ExecStart=/usr/local/bin/etcd
NotifyAccess=all
`

const HEADLESS = 'etcd-headless.default.svc.cluster.local'
const BITNAMI_TLS = {
  ETCD_CERT_FILE: '/opt/bitnami/etcd/certs/client/tls.crt',
  ETCD_KEY_FILE: '/opt/bitnami/etcd/certs/client/tls.key',
  ETCD_CLIENT_CERT_AUTH: 'true',
  ETCD_TRUSTED_CA_FILE: '/opt/bitnami/etcd/certs/client/ca.crt',
  ETCD_PEER_CERT_FILE: '/opt/bitnami/etcd/certs/peer/tls.crt',
  ETCD_PEER_KEY_FILE: '/opt/bitnami/etcd/certs/peer/tls.key',
  ETCD_PEER_CLIENT_CERT_AUTH: 'true',
  ETCD_PEER_TRUSTED_CA_FILE: '/opt/bitnami/etcd/certs/peer/ca.crt',
}

/** bitnami/charts, bitnami/etcd/templates/statefulset.yaml 12.0, with its TLS for clients and peers or without it. */
export function bitnamiSet(tls: 'tls' | 'plain', further: Readonly<Record<string, string>> = {}): string {
  const scheme = tls === 'tls' ? 'https' : 'http'
  const own = `${scheme}://$(MY_POD_NAME).${HEADLESS}`
  const variables = {
    BITNAMI_DEBUG: 'false',
    MY_STS_NAME: 'etcd',
    ETCD_ON_K8S: 'yes',
    ETCD_START_FROM_SNAPSHOT: 'no',
    ETCD_DISASTER_RECOVERY: 'no',
    ETCD_NAME: '$(MY_POD_NAME)',
    ETCD_DATA_DIR: '/bitnami/etcd/data',
    ETCD_LOG_LEVEL: 'info',
    ALLOW_NONE_AUTHENTICATION: 'no',
    ETCD_ROOT_PASSWORD_FILE: '/opt/bitnami/etcd/secrets/etcd-root-password',
    ETCD_AUTH_TOKEN: 'jwt,priv-key=/opt/bitnami/etcd/certs/token/jwt-token.pem,sign-method=RS256,ttl=10m',
    ETCD_ADVERTISE_CLIENT_URLS: `${own}:2379,${scheme}://etcd.default.svc.cluster.local:2379`,
    ETCD_LISTEN_CLIENT_URLS: `${scheme}://0.0.0.0:2379`,
    ETCD_INITIAL_ADVERTISE_PEER_URLS: `${own}:2380`,
    ETCD_LISTEN_PEER_URLS: `${scheme}://0.0.0.0:2380`,
    ETCD_INITIAL_CLUSTER_TOKEN: 'etcd-cluster-k8s',
    ETCD_INITIAL_CLUSTER: [0, 1, 2]
      .map((ordinal) => `etcd-${String(ordinal)}=${scheme}://etcd-${String(ordinal)}.${HEADLESS}:2380`)
      .join(','),
    ETCD_CLUSTER_DOMAIN: HEADLESS,
    ...(tls === 'tls' ? BITNAMI_TLS : {}),
    ...further,
  }
  const named = Object.entries(variables).map(([name, value]) => ({ name, value }))
  const metadata = { name: 'MY_POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }
  const volumeMounts = ['client', 'peer'].map((side) => ({
    name: `etcd-${side}-certs`,
    mountPath: `/opt/bitnami/etcd/certs/${side}/`,
  }))
  const image = 'docker.io/bitnami/etcd:3.6.4-debian-12-r3'
  const container = { name: 'etcd', image, env: [metadata, ...named], volumeMounts }
  return `kind: StatefulSet\napiVersion: apps/v1\nspec: ${JSON.stringify({ template: { spec: { containers: [container] } } })}\n`
}

/** k3s-io/k3s, pkg/daemons/executor ETCDConfig and pkg/etcd cluster: the file that k3s and rke2 write. */
export const K3S =
  lines(
    '',
    {
      'advertise-client-urls': CLIENT,
      'data-dir': '/var/lib/rancher/k3s/server/db/etcd',
      'election-timeout': '5000',
      'experimental-initial-corrupt-check': 'true',
      'experimental-watch-progress-notify-interval': '5000000000',
      'initial-advertise-peer-urls': PEER,
      'initial-cluster': `server-1-25d8b2f1=${PEER}`,
      'initial-cluster-state': 'new',
      'listen-client-http-urls': at('127.0.0.1', 2382),
      'listen-client-urls': `${at('127.0.0.1', 2379)},${CLIENT}`,
      'listen-metrics-urls': 'http://127.0.0.1:2381',
      'listen-peer-urls': `${at('127.0.0.1', 2380)},${PEER}`,
      logger: 'zap',
      name: 'server-1-25d8b2f1',
      'socket-options': '{}',
    },
    ': ',
  ) +
  ['client', 'peer']
    .map((side) => {
      const tls = '/var/lib/rancher/k3s/server/tls/etcd'
      const prefix = side === 'client' ? '' : 'peer-'
      const ca = side === 'client' ? 'server' : 'peer'
      return `${side}-transport-security:\n${lines(
        '  ',
        {
          'cert-file': `${tls}/${prefix}server-client.crt`,
          'client-cert-auth': 'true',
          'key-file': `${tls}/${prefix}server-client.key`,
          'trusted-ca-file': `${tls}/${ca}-ca.crt`,
        },
        ': ',
      )}`
    })
    .join('')

/** siderolabs/talos, internal/app/machined/pkg/system/services/etcd.go, argsForControlPlane. */
export const TALOS = [
  '/usr/local/bin/etcd',
  ...Object.entries({
    name: 'talos-cp-1',
    'auto-tls': 'false',
    'peer-auto-tls': 'false',
    'data-dir': '/var/lib/etcd',
    'listen-peer-urls': at('[::]', 2380),
    'listen-client-urls': at('[::]', 2379),
    'client-cert-auth': 'true',
    'cert-file': '/system/secrets/etcd/server.crt',
    'key-file': '/system/secrets/etcd/server.key',
    'trusted-ca-file': '/system/secrets/etcd/ca.crt',
    'peer-client-cert-auth': 'true',
    'peer-cert-file': '/system/secrets/etcd/peer.crt',
    'peer-key-file': '/system/secrets/etcd/peer.key',
    'peer-trusted-ca-file': '/system/secrets/etcd/ca.crt',
    'experimental-compact-hash-check-enabled': 'true',
    'initial-cluster-state': 'new',
    'initial-cluster': `talos-cp-1=${PEER}`,
    'initial-advertise-peer-urls': PEER,
    'advertise-client-urls': CLIENT,
  }).map(([name, value]) => `--${name}=${value}`),
]

/** OpenShift's hosted control planes: variables alone, and a shell that adds one before it runs etcd. */
export const HYPERSHIFT = `kind: StatefulSet
apiVersion: apps/v1
spec:
  volumeClaimTemplates: [{metadata: {name: data}}]
  template:
    spec:
      containers:
      - name: etcd
        image: quay.io/openshift/etcd@sha256:0123
        command: [/bin/sh, -c, "ETCD_INITIAL_CLUSTER_STATE=$([[ -d /var/lib/data/member ]] && echo existing || echo new) /usr/bin/etcd"]
        env:
        - {name: ETCD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
${['', 'PEER_']
  .flatMap((prefix) => [
    `{name: ETCD_${prefix}CERT_FILE, value: /etc/etcd/tls/server.crt}`,
    `{name: ETCD_${prefix}KEY_FILE, value: /etc/etcd/tls/server.key}`,
    `{name: ETCD_${prefix}TRUSTED_CA_FILE, value: /etc/etcd/tls/ca.crt}`,
    `{name: ETCD_${prefix}CLIENT_CERT_AUTH, value: "true"}`,
  ])
  .map((variable) => `        - ${variable}\n`)
  .join('')}        - {name: ETCD_LISTEN_CLIENT_URLS, value: "https://$(POD_IP):2379,https://localhost:2379"}
        - {name: ETCD_LISTEN_PEER_URLS, value: "https://$(POD_IP):2380"}
        - {name: ETCD_ADVERTISE_CLIENT_URLS, value: "https://$(ETCD_NAME).etcd-client.ns.svc:2379"}
        - {name: ETCD_INITIAL_ADVERTISE_PEER_URLS, value: "https://$(ETCD_NAME).etcd-discovery.ns.svc:2380"}
        volumeMounts: [{name: data, mountPath: /var/lib}, {name: tls, mountPath: /etc/etcd/tls}]
      volumes: [{name: tls, secret: {secretName: etcd-tls}}]
`

/** openshift/cluster-etcd-operator, bindata/etcd/pod.gotpl.yaml: a script in the second container, and a proxy in the third. */
export const OPENSHIFT = `kind: Pod
apiVersion: v1
spec:
  hostNetwork: true
  initContainers:
  - {name: setup, image: quay.io/openshift/etcd, command: [/bin/sh, -c, "mkdir -p /var/log/etcd && chmod 0600 /var/log/etcd"]}
  containers:
  - name: etcdctl
    image: quay.io/openshift/etcd
    command: [/bin/bash, -c, "trap TERM INT; sleep infinity & wait"]
    env: [{name: ETCDCTL_CACERT, value: /certs/server-ca.crt}, {name: ETCD_STATIC_POD_VERSION, value: "7"}]
  - name: etcd
    image: quay.io/openshift/etcd
    command:
    - /bin/sh
    - -c
    - |
      #!/bin/sh
      set -euo pipefail
      etcdctl member list || true
      # this has a non-zero return code if the command is non-zero.
      ETCD_INITIAL_CLUSTER=$(discover-etcd-initial-cluster \\
        --cacert=/certs/server-ca.crt \\
        --endpoints=\${ALL_ETCD_ENDPOINTS} \\
        --target-name=cp-1)
      export ETCD_INITIAL_CLUSTER
      time while [ -n "$(ss -Htan '( sport = 2379 or sport = 2380 )')" ]; do
        echo -n "."
        sleep 1
      done
      export ETCD_NAME=\${NODE_cp_1_ETCD_NAME}
      env | grep ETCD | grep -v NODE
      exec nice -n -19 ionice -c2 -n0 etcd \\
        --logger=zap \\
        --experimental-initial-corrupt-check=true \\
        --initial-advertise-peer-urls=https://\${NODE_cp_1_IP}:2380 \\
        --cert-file=/certs/etcd-serving-cp-1.crt \\
        --key-file=/certs/etcd-serving-cp-1.key \\
        --trusted-ca-file=/certs/server-ca.crt \\
        --client-cert-auth=true \\
        --peer-cert-file=/certs/etcd-peer-cp-1.crt \\
        --peer-key-file=/certs/etcd-peer-cp-1.key \\
        --peer-trusted-ca-file=/certs/server-ca.crt \\
        --peer-client-cert-auth=true \\
        --advertise-client-urls=https://\${NODE_cp_1_IP}:2379 \\
        --listen-client-urls=https://0.0.0.0:2379,unixs://\${NODE_cp_1_IP}:0 \\
        --listen-peer-urls=https://0.0.0.0:2380 \\
        --listen-metrics-urls=https://0.0.0.0:9978 || mv /backup/etcd-member.yaml /etc/kubernetes/manifests
    env: [{name: NODE_cp_1_IP, value: 10.0.0.11}, {name: NODE_cp_1_ETCD_NAME, value: cp-1}, {name: ETCD_STATIC_POD_VERSION, value: "7"}]
    volumeMounts: [{mountPath: /certs/, name: cert-dir}, {mountPath: /var/lib/etcd/, name: data-dir}]
  - name: etcd-metrics
    image: quay.io/openshift/etcd
    command: [/bin/sh, -c, "exec nice -n -18 etcd grpc-proxy start --endpoints https://10.0.0.11:9978 --listen-addr 127.0.0.1:9977 --key /certs/etcd-peer-cp-1.key"]
`

/** loft-sh/vcluster, pkg/etcd: one member for the process next to it. */
export const VCLUSTER = [
  'etcd',
  '--data-dir=/data/etcd',
  '--advertise-client-urls=https://127.0.0.1:2379',
  '--initial-advertise-peer-urls=https://127.0.0.1:2380',
  '--initial-cluster=vcluster=https://127.0.0.1:2380',
  '--listen-client-urls=https://127.0.0.1:2379',
  '--listen-metrics-urls=http://127.0.0.1:2381',
  '--listen-peer-urls=https://127.0.0.1:2380',
  '--name=vcluster',
  ...['', 'peer-'].flatMap((prefix) => [
    `--${prefix}cert-file=/pki/etcd/server.crt`,
    `--${prefix}key-file=/pki/etcd/server.key`,
    `--${prefix}trusted-ca-file=/pki/etcd/ca.crt`,
    `--${prefix}client-cert-auth=true`,
  ]),
]
